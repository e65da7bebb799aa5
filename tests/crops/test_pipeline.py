"""Whole runs of the crop store: coverage of every row, crashes, kills, going on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from alone import in_one_process
from crashing_crops import dies_on_broken
from killable import SETTINGS, SHARD_BYTES
from toy_set import manifest_of, record, toy_set
from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import Cropper, CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.crops.rows import COLUMNS, VideoCoverage
from unmask.crops.store import CropStore
from unmask.datasets.manifest import Manifest, write_manifest
from unmask.datasets.synth.footage import talk, write_picture
from unmask.system.engines import Engine

KILLABLE = Path(__file__).parent.parent / "killable.py"


@pytest.fixture
def here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toy_set(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def store(toy: Manifest, tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    folder = tmp_path_factory.mktemp("store")
    crop_videos(toy, folder, SETTINGS, engine=Engine(workers=2))
    return CropStore(folder)


def rows_of(folder: Path) -> list[dict[str, object]]:
    return CropStore(folder).rows(COLUMNS.names).sort_by("crop_id").to_pylist()


def ends_of(folder: Path) -> dict[str, VideoCoverage]:
    """Return the coverage without the time that it took."""
    lines = CropStore(folder).coverage().items()
    return {name: replace(line, work_seconds=0.0) for name, line in lines}


def test_every_row_of_the_manifest_has_its_coverage(toy: Manifest, store: CropStore) -> None:
    coverage = store.coverage()
    assert {name: line.status for name, line in coverage.items()} == {
        "crop.png": "done",
        "fake/a_c.mp4": "done",
        "fake/pair.mp4": "done",
        "frames/a": "done",
        "real/a.mp4": "done",
        "real/blank.mp4": "empty",
        "real/broken.mp4": "failed",
    }
    counted = Counter(store.rows(["video_id"]).column(0).to_pylist())
    assert counted == Counter({n: line.crops for n, line in coverage.items() if line.crops})
    assert pq.read_table(store.folder / "coverage.parquet").num_rows == len(toy)


def test_a_second_run_has_nothing_to_do(toy: Manifest, store: CropStore) -> None:
    before = sorted(store.folder.rglob("*.parquet"))
    numbers: list[int] = []
    summary = crop_videos(toy, store.folder, SETTINGS, progress=lambda _, n, __: numbers.append(n))
    assert (numbers, summary.done, summary.empty, summary.failed) == ([0], 5, 1, 1)
    assert not summary.complete
    assert sorted(store.folder.rglob("*.parquet")) == before


def test_the_crops_do_not_depend_on_the_workers(
    toy: Manifest, store: CropStore, tmp_path: Path
) -> None:
    crop_videos(toy, tmp_path / "one", SETTINGS, engine=Engine(workers=1))
    assert rows_of(tmp_path / "one") == rows_of(store.folder)
    assert ends_of(tmp_path / "one") == ends_of(store.folder)


@pytest.mark.usefixtures("here")
def test_failed_videos_are_tried_again_when_asked(toy: Manifest, tmp_path: Path) -> None:
    broken = manifest_of(Path(toy.info.root), [record("late.mp4")])
    assert crop_videos(broken, tmp_path / "s", SETTINGS).failed == 1
    late = Path(toy.info.root, "late.mp4")
    late.write_bytes(Path(toy.info.root, "real/a.mp4").read_bytes())
    assert crop_videos(broken, tmp_path / "s", SETTINGS).failed == 1
    assert crop_videos(broken, tmp_path / "s", SETTINGS, retry_failed=True).complete
    assert {row["video_id"] for row in rows_of(tmp_path / "s")} == {"late.mp4"}


@pytest.mark.usefixtures("here")
def test_a_limit_takes_videos_evenly(toy: Manifest, tmp_path: Path) -> None:
    summary = crop_videos(toy, tmp_path / "s", SETTINGS, limit=3)
    assert (summary.not_tried, summary.done + summary.failed) == (4, 3)
    assert sorted(ends_of(tmp_path / "s")) == ["crop.png", "frames/a", "real/broken.mp4"]
    assert crop_videos(toy, tmp_path / "s", SETTINGS).not_tried == 0


def test_a_process_that_dies_names_its_video_and_costs_no_other(
    toy: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cropper, "crop", dies_on_broken)
    crop_videos(toy, tmp_path / "s", SETTINGS, engine=Engine(workers=2))
    ends = ends_of(tmp_path / "s")
    crashed = ends.pop("real/broken.mp4")
    assert (crashed.status, "died (ended by SIGKILL)" in crashed.reason) == ("failed", True)
    assert {line.status for name, line in ends.items() if name != "real/blank.mp4"} == {"done"}


@pytest.mark.usefixtures("here")
def test_the_store_goes_on_where_the_data_set_was_moved(toy: Manifest, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(toy.info.root)
    elsewhere = replace(toy, info=replace(toy.info, root="/nowhere"))
    with pytest.raises(InputNotFound, match="no folder '/nowhere', where 'toy' was indexed"):
        crop_videos(elsewhere, tmp_path / "s", SETTINGS)
    crop_videos(toy, tmp_path / "s", SETTINGS, limit=2)
    assert crop_videos(elsewhere, tmp_path / "s", SETTINGS, root=moved).not_tried == 0


def test_a_resplit_manifest_is_another_one(toy: Manifest, store: CropStore) -> None:
    resplit = toy.with_records((replace(r, split="train") for r in toy.records), protocol="video")
    with pytest.raises(ManifestError, match="cut from another manifest"):
        crop_videos(resplit, store.folder, SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"selector": "best"}, "unknown selector 'best'"), ({"face_detector": "x"}, "no face det")],
)
def test_unknown_names_are_refused_before_a_store_is_made(
    toy: Manifest, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        crop_videos(toy, tmp_path / "s", CropSettings(scan=ScanSettings(**change)))
    assert not (tmp_path / "s").exists()


@pytest.fixture(scope="module")
def many(toy: Manifest) -> Manifest:
    """Return rows that take a few milliseconds each, and some that take longer."""
    frames = talk(0, seconds=2.0, size=(96, 96))
    root = Path(toy.info.root, "many")
    (root / "v").mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_picture(root / f"{number:03d}.png", frame)
    for number in range(4):
        source = Path(toy.info.root, "real/a.mp4" if number else "real/broken.mp4")
        (root / "v" / f"{number}.mp4").write_bytes(source.read_bytes())
    pictures = [record(f"{number:03d}.png", kind="crop") for number in range(len(frames))]
    manifest = manifest_of(root, [*pictures, *(record(f"v/{n}.mp4") for n in range(4))])
    write_manifest(manifest, root / "many.parquet")
    return manifest


@pytest.fixture(scope="module")
def whole(many: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with in_one_process():
        crop_videos(many, folder, SETTINGS, shard_bytes=SHARD_BYTES)
    return folder


def start(many: Manifest, folder: Path, log: Path, workers: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, KILLABLE, Path(many.info.root, "many.parquet"), folder, str(workers)]
    return subprocess.Popen([str(w) for w in words], env={**os.environ, "ATTEMPTS": str(log)})


def attempts(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


@pytest.mark.system
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_and_run_again_the_content_is_the_same(
    many: Manifest, whole: Path, tmp_path: Path, workers: int
) -> None:
    folder, log = tmp_path / "killed", tmp_path / "attempts"
    rng = np.random.default_rng(workers)
    kills = 0
    for _ in range(4):
        process = start(many, folder, log, workers)
        until = len(attempts(log)) + rng.integers(1, 14)
        while process.poll() is None and len(attempts(log)) < until:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if (folder / "store.json").exists():
            ended = list(CropStore(folder).coverage())  # opens every file: none is torn
            assert len(ended) == len(set(ended))
            assert CropStore(folder).damaged() == []
    assert start(many, folder, log, workers).wait() == 0
    assert kills >= 2
    assert rows_of(folder) == rows_of(whole)
    assert ends_of(folder) == ends_of(whole)
    redone = len(attempts(log)) - len(many)
    assert redone <= kills * workers
    assert len(CropStore(folder).shards()) > 1
