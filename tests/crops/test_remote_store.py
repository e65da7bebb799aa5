"""Crop stores in object stores: the same crops, whole after every end of a run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")

from object_stores import lost_after
from store_rows import INFO, crop_row
from unmask.core.errors import DownloadError, ManifestError
from unmask.crops.rows import COLUMNS, VideoCoverage, VideoCrops
from unmask.crops.source import open_crops
from unmask.crops.store import CropStore, open_for_writing
from unmask.datasets.manifest import read_manifest, write_manifest
from unmask.datasets.synth.footage import write_picture
from unmask.system.remote_files import local_copy
from unmask.training.crop_table import read_crops

ADDRESS = "memory://bucket/crops"


@pytest.fixture(autouse=True)
def _copies_anew() -> None:
    local_copy.cache_clear()


def video(name: str, crops: int = 2, image: bytes = b"picture") -> VideoCrops:
    rows = tuple(crop_row(name, number, image) for number in range(crops))
    return VideoCrops(VideoCoverage(rows[0].record, "done", crops=crops), rows)


VIDEOS = [video(name) for name in "abcdef"]


def fill(folder: str | Path, videos: list[VideoCrops] = VIDEOS) -> None:
    with open_for_writing(folder, INFO, shard_bytes=20_000) as store:
        known = store.coverage()
        for each in videos:
            if each.coverage.record.video_id not in known:
                store.add(each)


def crop_ids(folder: str | Path) -> list[str]:
    local_copy.cache_clear()
    ids: list[str] = CropStore(folder).rows(["crop_id"])["crop_id"].to_pylist()
    return sorted(ids)


def test_an_address_holds_what_a_folder_does(memory: Any, tmp_path: Path) -> None:
    fill(ADDRESS)
    fill(tmp_path / "here")
    there, here = CropStore(ADDRESS), CropStore(tmp_path / "here")
    names = [path.name for path in here.shards()]
    assert len(names) > 1
    assert [path.name for path in there.shards()] == names
    assert there.rows(COLUMNS.names) == here.rows(COLUMNS.names)
    assert there.coverage() == here.coverage()
    assert there.damaged() == []


def test_a_run_goes_on_without_reading_pictures(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ADDRESS, VIDEOS[:4])
    fetched: list[str] = []
    whole = memory.get_file

    def note(path: str, target: str) -> None:
        fetched.append(path)
        whole(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(memory, "get_file", note)
        fill(ADDRESS)
    assert not [path for path in fetched if "/shards/" in path]
    assert len(crop_ids(ADDRESS)) == 2 * len(VIDEOS)


@pytest.mark.parametrize("changes", range(0, 24, 2))
def test_wherever_a_run_is_cut_off_the_next_one_ends_it_and_doubles_nothing(
    memory: Any, changes: int
) -> None:
    with lost_after(memory, changes), suppress(DownloadError):
        fill(ADDRESS)
    fill(ADDRESS)
    ids = crop_ids(ADDRESS)
    assert ids == sorted(row.record.crop_id for each in VIDEOS for row in each.rows)
    assert not memory.glob("/bucket/crops/pending/*")


def test_other_settings_are_refused_by_the_address(memory: Any) -> None:
    fill(ADDRESS)
    with (
        pytest.raises(
            ManifestError, match="'memory://bucket/crops' is being written to by another"
        ),
        open_for_writing(ADDRESS, INFO),
    ):
        fill(ADDRESS)


def test_training_reads_a_store_and_names_it_by_its_address(memory: Any, tmp_path: Path) -> None:
    write_picture(tmp_path / "face.png", np.full((8, 8, 3), 90, np.uint8))
    fill(ADDRESS, [video("a", image=(tmp_path / "face.png").read_bytes())])
    crops = read_crops([Path(ADDRESS)])  # as the command line hands it over
    assert crops.origins[0].described.path == ADDRESS
    assert crops.picture(1).size == (8, 8)
    assert len(open_crops(ADDRESS)) == 2


def test_a_manifest_lies_at_an_address_too(memory: Any, tmp_path: Path) -> None:
    from toy_set import manifest_of, record

    manifest = manifest_of(tmp_path, [record("a"), record("b")])
    write_manifest(manifest, "memory://bucket/manifest.parquet")
    assert read_manifest("memory://bucket/manifest.parquet") == manifest
