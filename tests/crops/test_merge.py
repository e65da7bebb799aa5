"""Shards of a data set, cut by runs of their own, become one store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alone import in_one_process
from toy_set import toy_set
from unmask.core.errors import ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.merge import merge_stores
from unmask.crops.pipeline import crop_videos
from unmask.crops.reading import CropDataset
from unmask.crops.store import CropStore
from unmask.datasets.manifest import Manifest
from unmask.datasets.shards import Shard, parse_shard

SETTINGS = CropSettings(scan=ScanSettings(detect_long_side_px=160, budget=2))
PARTS = 2


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toy_set(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def parts(toy: Manifest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    for number in range(1, PARTS + 1):
        crop_videos(toy, folder / str(number), SETTINGS, shard=Shard(number, PARTS))
    return [folder / str(number) for number in range(1, PARTS + 1)]


def test_each_video_is_in_one_shard(toy: Manifest) -> None:
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    assert all(sum(s.holds(record.id) for s in shards) == 1 for record in toy.records)
    with pytest.raises(ValueError, match=r"from 1/3 to 3/3"):
        Shard(4, 3)
    for wrong in ("3", "a/b", "1/0", "0/2", "-1/2"):
        with pytest.raises(ValueError, match="shard"):
            parse_shard(wrong)


def test_merged_shards_are_the_store_of_one_run(
    toy: Manifest, parts: list[Path], tmp_path: Path
) -> None:
    crop_videos(toy, tmp_path / "whole", SETTINGS)
    summary = merge_stores(parts, tmp_path / "merged")
    assert summary.not_tried == 0
    assert summary.done > 0
    whole, merged = (CropDataset(tmp_path / name) for name in ("whole", "merged"))
    assert {(r.video_id, r.track, r.frame_index) for r in whole.records()} == {
        (r.video_id, r.track, r.frame_index) for r in merged.records()
    }
    assert CropStore(tmp_path / "merged").damaged() == []
    assert merge_stores(parts, tmp_path / "merged") == summary


def test_stores_that_share_videos_or_differ_are_refused(
    toy: Manifest, parts: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=r"is in .* and in"):
        merge_stores([parts[0], parts[0].parent / "1" / ".." / "1"], tmp_path / "twice")
    other = CropSettings(scan=SETTINGS.scan, margin_ratio=2.0)
    crop_videos(toy, tmp_path / "other", other, shard=Shard(2, PARTS))
    with pytest.raises(ManifestError, match=r"margin_ratio=2\.0"):
        merge_stores([parts[0], tmp_path / "other"], tmp_path / "mixed")
