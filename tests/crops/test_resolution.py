"""Crops hold the pixels that a detector would see in a scan, or it is said that they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from alone import in_one_process
from unmask.bundle.catalogue import find
from unmask.bundle.framing import cut_views
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.crops.reading import CropDataset
from unmask.crops.resolution import count_coarse
from unmask.datasets.layouts.folder import FOLDER
from unmask.datasets.layouts.layout import make_manifest
from unmask.datasets.manifest import Manifest, write_manifest
from unmask.evaluation.inference import predict, source_at
from unmask.faces.squares import cut_window, square_around

EXAMPLES = Path(__file__).parents[2] / "examples"
FEW = ScanSettings(budget=3)
BOX = (100.0, 100.0, 300.0, 380.0)
LARGEST_DIFFERENCE = 0.02
"""Of a store's logit and a scan's."""


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(find("default"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("clip")
    for label, name in (("real", "original.mp4"), ("fake", "forged.mp4")):
        (root / label).mkdir()
        (root / label / name).symlink_to(EXAMPLES / name)
    return make_manifest(FOLDER, root, FOLDER.index(root))


def logits(path: Path) -> np.ndarray:
    return pq.read_table(path)["logit"].to_numpy()


def test_a_store_scores_as_a_scan_does(tmp_path: Path, bundle: Bundle, clip: Manifest) -> None:
    write_manifest(clip, tmp_path / "m.parquet")
    scan = source_at(bundle, tmp_path / "m.parquet", settings=FEW)
    predict(bundle, scan, tmp_path / "scan.parquet")
    crop_videos(clip, tmp_path / "crops", CropSettings(scan=FEW))
    info = predict(bundle, source_at(bundle, tmp_path / "crops"), tmp_path / "store.parquet").info
    difference = logits(tmp_path / "scan.parquet") - logits(tmp_path / "store.parquet")
    assert len(difference) == 6
    assert np.abs(difference).max() < LARGEST_DIFFERENCE
    assert info.crops_coarse == 0


def test_a_coarse_store_is_scored_with_a_count(
    tmp_path: Path, bundle: Bundle, clip: Manifest
) -> None:
    crop_videos(clip, tmp_path / "crops", CropSettings(scan=FEW, size_px=96))
    info = predict(bundle, source_at(bundle, tmp_path / "crops"), tmp_path / "p.parquet").info
    assert info.crops_coarse == 6


def test_what_is_cut_out_of_a_window_is_what_is_cut_out_of_the_frame(bundle: Bundle) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (400, 360, 3), dtype=np.uint8)
    square = square_around(BOX, margin_ratio=1.3)
    window, pixels = cut_window(frame, square, largest_px=640)
    moved = tuple(value - window[axis % 2] for axis, value in enumerate(BOX))
    for of_frame, of_window in zip(
        cut_views(frame, BOX, bundle.views),
        cut_views(pixels, moved, bundle.views),  # type: ignore[arg-type]  # four numbers
        strict=True,
    ):
        np.testing.assert_array_equal(of_frame, of_window)


@pytest.mark.parametrize(
    ("change", "coarse"),
    [
        ({"size_px": 400}, False),
        ({"size_px": 256}, True),
        ({"size_px": None, "largest_px": 640}, False),
        ({"size_px": None, "largest_px": 200}, True),
        ({"size_px": 400, "image_format": "jpeg"}, True),
    ],
)
def test_a_crop_is_coarse_where_a_view_would_see_more_in_the_frame(
    bundle: Bundle, change: dict[str, object], coarse: bool
) -> None:
    square = np.array([square_around(BOX, margin_ratio=1.3)], np.float32)
    box = np.array([BOX], np.float32)
    settings = {"image_format": "png", **change}
    assert count_coarse(box, square, settings, bundle.views) == coarse
    assert count_coarse(np.full_like(box, np.nan), square, settings, bundle.views) == 0


def test_small_faces_are_kept_at_their_size(tmp_path: Path, clip: Manifest) -> None:
    crop_videos(clip, tmp_path / "crops", CropSettings(scan=FEW))
    crop = CropDataset(tmp_path / "crops")[0]
    assert crop.pixels.shape[0] == crop.record.square[2] - crop.record.square[0]
