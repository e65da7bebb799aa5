"""Crop stores in other layouts, read back by the programs that they are for."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("pyarrow", reason="needs the extra `data`")


from store_rows import crop_row, write_store
from unmask.cli.app import app
from unmask.core.errors import InputError
from unmask.crops.export import LABELS, export_crops
from unmask.crops.rows import CropRow
from unmask.crops.store import CropStore


def encoded(level: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def rows() -> list[CropRow]:
    made = [crop_row("a/real.mp4", n, encoded(10 * n)) for n in range(3)]
    fake = {"label": "fake", "method": "swap", "split": "test", "forged_face": "only face"}
    made += [crop_row("b.mp4", n, encoded(100 + n, "JPEG"), **fake) for n in range(2)]
    doubtful = {**fake, "track": 2, "forged_face": "uncertain"}
    return [*made, crop_row("b.mp4", 9, encoded(101, "JPEG"), **doubtful)]


@pytest.fixture
def store(tmp_path: Path) -> CropStore:
    return CropStore(write_store(tmp_path / "store", rows()))


def test_an_image_folder_has_classes_splits_and_facts(store: CropStore, tmp_path: Path) -> None:
    done = export_crops(store, tmp_path / "out", "imagefolder")
    assert (done.splits, done.left_out) == ({"train": 3, "test": 2}, 1)
    real = tmp_path / "out" / "train" / "real"
    assert [each.read_bytes() for each in sorted(real.iterdir())] == [r.image for r in rows()[:3]]
    assert [each.suffix for each in (tmp_path / "out" / "test" / "fake").iterdir()] == [".jpg"] * 2
    with (tmp_path / "out" / "train" / "metadata.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["file_name"], first["video_id"]) == ("real/00000000.png", "a/real.mp4")


def test_tar_files_hold_picture_class_and_facts_side_by_side(
    store: CropStore, tmp_path: Path
) -> None:
    export_crops(store, tmp_path / "out", "webdataset")
    with tarfile.open(tmp_path / "out" / "test-000000.tar") as tar:
        names = tar.getnames()
        facts = json.loads(tar.extractfile("00000001.json").read())
        assert tar.extractfile("00000001.cls").read() == b"1"
    assert names[:3] == ["00000000.jpg", "00000000.cls", "00000000.json"]
    assert (facts["crop_id"], facts["split"], facts["label"]) == ("b.mp4#t1f1", "test", "fake")


@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_its_files(store: CropStore, tmp_path: Path) -> None:
    package = pytest.importorskip("webdataset", reason="the program that they are for")
    export_crops(store, tmp_path / "out", "webdataset")
    files = str(tmp_path / "out" / "train-000000.tar")
    items = list(
        package.WebDataset(files, shardshuffle=False).decode("rgb8").to_tuple("png", "cls")
    )
    assert [(int(picture.max()), label) for picture, label in items] == [(0, 0), (10, 0), (20, 0)]


@pytest.mark.filterwarnings("ignore")
def test_hugging_faces_datasets_reads_its_files(
    store: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytest.importorskip("datasets", reason="the program that they are for")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    export_crops(store, tmp_path / "out", "datasets")
    data = package.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(each) for split, each in data.items()} == {"train": 3, "test": 2}
    assert data["test"].features["label"].names == list(LABELS)
    assert data["train"][2]["image"].getpixel((0, 0)) == (20, 20, 20)
    assert (data["test"][0]["label"], data["test"][0]["video_id"]) == (1, "b.mp4")


def test_uncertain_fakes_are_kept_on_request_and_named_otherwise(
    store: CropStore, tmp_path: Path
) -> None:
    words = ["data", "export", str(store.folder), "--format", "imagefolder", "-o"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "some")], catch_exceptions=False)
    assert "5 crops (test 2, train 3)" in done.output
    assert "1 crops of fakes are left out" in done.output
    kept = [*words, str(tmp_path / "all"), "--uncertain-fakes"]
    assert "6 crops" in CliRunner().invoke(app, kept, catch_exceptions=False).output


def test_nothing_is_left_of_an_export_that_fails(store: CropStore, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(ValueError, match="is not empty"):
        export_crops(store, tmp_path / "full", "datasets")
    with pytest.raises(ValueError, match="no layout 'zip'"):
        export_crops(store, tmp_path / "out", "zip")
    only = CropStore(write_store(tmp_path / "none", rows()[-1:]))
    with pytest.raises(InputError, match=r"no crop of .* is left to export"):
        export_crops(only, tmp_path / "out", "datasets")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["full", "none", "store"]
