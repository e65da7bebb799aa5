"""One door to crops: a store and a table of the same crops say the same of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from store_rows import crop_row, write_store
from toy_crops import picture
from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.rows import CropRow
from unmask.crops.source import CropSource, open_crops

LABELS = ("real", "fake", "fake")
IMAGES = [picture(number, fake=label == "fake") for number, label in enumerate(LABELS)]


def store(folder: Path) -> CropSource:
    rows: list[CropRow] = []
    for number, image in enumerate(IMAGES):
        label = "fake" if number else "real"
        rows.append(crop_row(f"v{number}", 0, image, label=label, target="a"))
    return open_crops(write_store(folder, rows))


def table(path: Path, images: list[bytes | None], **more: list[object]) -> CropSource:
    columns = {
        "name": [f"v{n}#t1f0" for n in range(len(images))], "label": LABELS[: len(images)],
        "video": [f"v{n}" for n in range(len(images))], "original": ["a"] * len(images),
        "frame": pa.array([0] * len(images), pa.int64()), "image": images,
    }  # fmt: skip
    pq.write_table(pa.table(columns | more), path)
    return open_crops(path)


def test_a_store_and_a_table_of_the_same_crops_say_the_same(tmp_path: Path) -> None:
    stored, tabled = store(tmp_path / "s"), table(tmp_path / "t.parquet", [*IMAGES])
    for one, other in zip(stored.records(), tabled.records(), strict=True):
        for name in ("crop_id", "video_id", "label", "target", "frame_index", "is_fake"):
            assert getattr(one, name) == getattr(other, name)
    for crops in (stored, tabled):
        assert crops.is_fake.tolist() == [False, True, True]
        assert [crops.encoded(position) for position in (2, 0)] == [IMAGES[2], IMAGES[0]]
        for at, crop in zip((0, 2), crops.read([0, 2]), strict=True):
            assert crop is not None
            assert np.array_equal(crop.pixels, np.asarray(Image.open(io.BytesIO(IMAGES[at]))))
        assert (crops.total_left_out, crops.rendered(1)) == (0, None)


def test_a_damaged_picture_of_a_table_is_none_and_the_next_is_read(tmp_path: Path) -> None:
    crops = table(tmp_path / "t.parquet", [b"no picture", None, IMAGES[2]])
    assert [crop is None for crop in crops.read([0, 1, 2])] == [True, True, False]


def test_a_face_without_a_place_in_the_frame_has_no_points_in_the_crop(tmp_path: Path) -> None:
    (crop,) = table(tmp_path / "t.parquet", IMAGES[:1]).read([0])
    assert crop is not None
    with pytest.raises(ValueError, match="the square that was cut is not known"):
        crop.in_crop((1.0, 2.0))


def test_what_is_no_source_of_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no crops"):
        open_crops(tmp_path / "none.parquet")
    with pytest.raises(ManifestError, match="holds no crop"):
        table(tmp_path / "t.parquet", [])
    with pytest.raises(ManifestError, match="face_px 'wide'"):
        table(tmp_path / "t.parquet", IMAGES[:1], face_px=["wide"])
