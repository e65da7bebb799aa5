"""The crop store: whole files only, whenever it is interrupted; other settings refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from store_rows import INFO, crop_row
from toy_set import record
from unmask.core.errors import ManifestError
from unmask.crops import store as store_module
from unmask.crops.rows import COLUMNS, COVERAGE_COLUMNS, METADATA_KEY, VideoCoverage, VideoCrops
from unmask.crops.store import GROUP_ROWS, CropStore, open_for_writing


def video(name: str, crops: int, *, image: bytes = b"picture") -> VideoCrops:
    row = record(name, split="train", target=f"{name}/target", identities=("p",))
    rows = tuple(crop_row(name, number, image) for number in range(crops))
    status = "done" if crops else "failed"
    reason = None if crops else "why"
    return VideoCrops(VideoCoverage.of(row, status, crops=crops, reason=reason), rows)


VIDEOS = [video("a", 2), video("b", 0), video("c", 3), video("d", 1), video("e", 2)]


def content(folder: Path) -> tuple[list[dict[str, Any]], list[VideoCoverage]]:
    store = CropStore(folder)
    rows = store.rows(COLUMNS.names).sort_by("crop_id").to_pylist()
    return rows, list(store.coverage().values())


def fill(folder: Path, videos: list[VideoCrops], shard_bytes: int = 20_000) -> None:
    with open_for_writing(folder, INFO, shard_bytes=shard_bytes) as store:
        known = store.coverage()
        for each in videos:
            if each.coverage.record.video_id not in known:
                store.add(each)


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS)
    rows, coverage = content(tmp_path / "s")
    assert [tuple(row) for row in rows] == [tuple(COLUMNS.names)] * 8
    assert rows == [
        {
            **dict.fromkeys(COLUMNS.names),
            "crop_id": f"{name}#t1f{number}",
            "video_id": name,
            "dataset": "toy",
            "label": "real",
            "identities": [],
            "split": "train",
            "leaks": False,
            "kind": "video",
            "track": 1,
            "track_frames": 9,
            "frame_index": number,
            "pts_seconds": number / 25,
            "square": [0.0, 0.0, 8.0, 8.0],
            "sharpness": 2.5,
            "image_size_bytes": len(b"picture"),
            "image": b"picture",
        }
        for name, crops in (("a", 2), ("c", 3), ("d", 1), ("e", 2))
        for number in range(crops)
    ]
    assert coverage == [each.coverage for each in VIDEOS]
    table = pq.read_table(tmp_path / "s" / "coverage.parquet").to_pylist()
    assert table[1] == {
        **dict.fromkeys(COVERAGE_COLUMNS.names),
        "video_id": "b",
        "label": "real",
        "split": "train",
        "target": "b/target",
        "identities": ["p"],
        "status": "failed",
        "reason": "why",
        "crops": 0,
        "tracks_found": 0,
        "tracks_kept": 0,
        "work_seconds": 0.0,
    }


def test_coverage_of_older_stores_names_no_footage(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS[:1])
    (path,) = CropStore(tmp_path / "s").shards()
    table = pq.read_table(path)
    described = json.loads(table.schema.metadata[METADATA_KEY])
    for line in described["videos"]:
        for name in ("target", "source", "identities"):
            del line[name]
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(described)}), path)
    (line,) = CropStore(tmp_path / "s").coverage().values()
    assert (line.record.target, line.record.source, line.record.identities) == (None, None, ())


def test_a_shard_holds_whole_videos_and_is_named_by_its_content(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS, shard_bytes=1)
    store = CropStore(tmp_path / "s")
    assert [path.name[:6] for path in store.shards()] == [f"0000{n}-" for n in range(5)]
    assert store.damaged() == []
    first = store.shards()[0]
    first.write_bytes(first.read_bytes().replace(b"picture", b"Picture"))
    assert store.damaged() == [first]


class Killed(BaseException):
    """Stands for the end of the process: nothing is written after it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the process end at a step of writing: at a flush, a rename, a removal or a table."""
    taken = 0

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken > step:
                raise Killed
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "fsync", dying(os.fsync))
    monkeypatch.setattr(pq, "write_table", dying(pq.write_table))
    for name in ("replace", "unlink", "write_text"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))


def test_an_end_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "whole", VIDEOS[:4])
    expected = content(tmp_path / "whole")
    step, finished = 0, False
    while not finished:
        folder = tmp_path / f"killed-{step}"
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            try:
                fill(folder, VIDEOS[:4])
                finished = True
            except Killed:
                pass
        for path in folder.glob("*/*.parquet"):
            pq.read_table(path)
        fill(folder, VIDEOS[:4])
        assert content(folder) == expected
        assert CropStore(folder).damaged() == []
        assert not [path for path in folder.rglob("*") if path.name.endswith(".partial")]
        assert CropStore(folder).pending() == []
        step += 1
    assert step > 30


def test_a_stored_video_survives_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_seal = store_module.StoreWriter.seal
    monkeypatch.setattr(store_module.StoreWriter, "seal", lambda self: None)
    fill(tmp_path / "s", VIDEOS[:1])
    assert CropStore(tmp_path / "s").shards() == []
    monkeypatch.setattr(store_module.StoreWriter, "seal", real_seal)
    assert list(CropStore(tmp_path / "s").coverage()) == ["a"]


def test_a_later_try_of_a_failed_video_counts(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS)
    with open_for_writing(tmp_path / "s", INFO) as store:
        store.add(video("b", 4))
    rows, coverage = content(tmp_path / "s")
    assert sum(row["video_id"] == "b" for row in rows) == 4
    assert {line.record.video_id: line.status for line in coverage}["b"] == "done"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"size_px": 9}}, "was cut with size_px=8, asked for now: size_px=9"),
        ({"settings": {"size_px": 8, "x": 1}}, "was cut with x=None, asked for now: x=1"),
        ({"manifest_sha256": "cd" * 32}, "was cut from another manifest"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    fill(tmp_path / "s", VIDEOS)
    with (
        pytest.raises(ManifestError, match=message),
        open_for_writing(tmp_path / "s", replace(INFO, **change)),
    ):
        pass


def test_other_versions_may_go_on(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS[:2])
    with open_for_writing(tmp_path / "s", replace(INFO, versions={"av": "2"})) as store:
        assert len(store.coverage()) == 2


def test_two_processes_may_not_write_at_once(tmp_path: Path) -> None:
    with (
        open_for_writing(tmp_path / "s", INFO),
        pytest.raises(ManifestError, match="another process"),
    ):
        fill(tmp_path / "s", VIDEOS)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ManifestError, match=r"no crop store, but holds 'thesis\.tex'"):
        fill(tmp_path, VIDEOS)
    with pytest.raises(ManifestError, match="is a file"):
        fill(tmp_path / "thesis.tex", VIDEOS)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is not a crop store"), ('{"version": 99}', "of version 99, this program reads 1")],
)
def test_what_is_no_store_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(ManifestError, match=message):
        CropStore(tmp_path)


def test_a_torn_shard_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS[:1])
    (shard,) = CropStore(tmp_path / "s").shards()
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(ManifestError, match=f"{shard.name}.*or is damaged"):
        CropStore(tmp_path / "s").coverage()


def test_a_foreign_table_among_the_shards_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "s", VIDEOS)
    table = CropStore(tmp_path / "s").rows(["label"])
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "s/shards/other.parquet")
    with pytest.raises(ManifestError, match="metadata is missing"):
        CropStore(tmp_path / "s").coverage()


def test_the_footer_is_small_beside_the_pictures(tmp_path: Path) -> None:
    rows = 3 * GROUP_ROWS
    fill(tmp_path / "s", [video("a", rows, image=b"x" * 16_000)])
    (shard,) = CropStore(tmp_path / "s").shards()
    assert pq.read_metadata(shard).num_row_groups == 3
    assert pq.read_metadata(shard).serialized_size < 0.01 * shard.stat().st_size


def test_a_shard_of_videos_without_crops_has_no_group_of_rows(tmp_path: Path) -> None:
    """Hugging Face's reader takes its batches from the first group, and fails at an empty one."""
    with open_for_writing(tmp_path / "s", INFO) as store:
        store.add(video("a", 0))
    (shard,) = CropStore(tmp_path / "s").shards()
    assert pq.ParquetFile(shard).metadata.num_row_groups == 0
    assert len(CropStore(tmp_path / "s").rows(COLUMNS.names)) == 0
    assert CropStore(tmp_path / "s").coverage()["a"].reason == "why"
