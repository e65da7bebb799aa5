"""`unmask data crops`, `stats` and `sheet` as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from commands import Command
from toy_set import manifest_of, record, toy_set
from unmask.crops.store import CropStore
from unmask.datasets.manifest import write_manifest


@pytest.fixture
def unmask(unmask: Command) -> Command:
    """Return a function that runs `unmask data`."""
    return partial(unmask, "data")


OPTIONS = ("--size-px", "64", "--budget", "3", "--selector", "uniform")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    write_manifest(toy_set(root), root / "toy.parquet")
    return root / "toy.parquet"


@pytest.fixture(scope="module")
def run(
    manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    store = tmp_path_factory.mktemp("crops") / "store"
    command = [sys.executable, "-c", "from unmask.cli import main; main()", "data", "crops"]
    command += [str(manifest), "-o", str(store), "--workers", "2", *OPTIONS]
    return subprocess.run(command, capture_output=True, text=True, check=False), store


def test_crops_tells_how_the_store_stands_and_what_is_missing(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, store = run
    assert done.returncode == 3
    assert done.stdout == (f"{store}: 13 crops in 1 shards; videos: 5 done, 1 empty, 1 failed\n")
    assert "7 videos to cut" in done.stderr
    assert "empty: real/blank.mp4: no face was found in 5 frames" in done.stderr
    assert "failed: real/broken.mp4: " in done.stderr
    assert pq.read_table(store / "coverage.parquet").num_rows == 7


def test_all_done_is_code_0(unmask: Command, manifest: Path, tmp_path: Path) -> None:
    write_manifest(manifest_of(manifest.parent, [record("real/a.mp4")]), tmp_path / "m.parquet")
    done = unmask("crops", tmp_path / "m.parquet", "-o", tmp_path / "s", *OPTIONS)
    assert (done.returncode, "videos: 1 done, 0 empty, 0 failed" in done.stdout) == (0, True)


def test_the_options_reach_the_crops(run: tuple[object, Path]) -> None:
    settings = CropStore(run[1]).info.settings
    assert (settings["size_px"], settings["budget"], settings["selector"]) == (64, 3, "uniform")
    assert (settings["margin_ratio"], settings["jpeg_quality"]) == (1.3, 95)


def test_stats_prints_counts_coverage_and_a_plot(
    unmask: Command, run: tuple[object, Path], tmp_path: Path
) -> None:
    done = unmask("stats", run[1], "--verify", "--plot", tmp_path / "plot.png")
    assert done.returncode == 0
    assert "toy: 13 crops of 5 videos" in done.stdout
    assert "real/broken.mp4: failed: " in done.stdout
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_stats_as_json_is_all_that_stdout_holds(unmask: Command, run: tuple[object, Path]) -> None:
    stats = json.loads(unmask("stats", run[1], "--json").stdout)
    assert (stats["version"], stats["crops"], len(stats["missing"])) == (1, 13, 2)
    assert sum(count["crops"] for count in stats["counts"]) == 13


def test_a_damaged_shard_is_code_1(unmask: Command, manifest: Path, tmp_path: Path) -> None:
    write_manifest(manifest_of(manifest.parent, [record("real/a.mp4")]), tmp_path / "m.parquet")
    unmask("crops", tmp_path / "m.parquet", "-o", tmp_path / "s", *OPTIONS)
    (shard,) = CropStore(tmp_path / "s").shards()
    content = bytearray(shard.read_bytes())
    content[500] ^= 1
    shard.write_bytes(content)
    done = unmask("stats", tmp_path / "s", "--verify")
    assert (done.returncode, shard.name in done.stdout) == (1, True)


def test_sheet_writes_a_picture(unmask: Command, run: tuple[object, Path], tmp_path: Path) -> None:
    done = unmask("sheet", run[1], "-o", tmp_path / "sheet.png", "--count", "4", "--label", "fake")
    assert done.returncode == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * 128


def test_wrong_use_is_code_2_with_a_hint(
    unmask: Command, manifest: Path, run: tuple[object, Path], tmp_path: Path
) -> None:
    store = run[1]
    for words, message in (
        (("crops", manifest, "-o", store), "was cut with budget=3, asked for now: budget=12"),
        (("crops", manifest, "-o", tmp_path / "x", "--root", "/none"), "no folder '/none'"),
        (("crops", manifest, "-o", tmp_path / "x", "--image-format", "gif"), "got 'gif'"),
        (("stats", tmp_path), "is not a crop store"),
        (("sheet", store, "-o", tmp_path / "x.png", "--method", "none"), "no crop of"),
        (("sheet", store, "-o", tmp_path / "none" / "x.png"), "no folder"),
    ):
        done = unmask(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert message in done.stderr
        assert "hint: " in done.stderr
    assert not (tmp_path / "x").exists()


def test_cropping_never_imports_torch() -> None:
    code = (
        "import sys; import unmask.cli.runs.crops; import unmask.crops.reading; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
