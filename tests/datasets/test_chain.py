"""From a folder to statistics with the commands alone, for every layout on its toy data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unmask.cli.app import app
from unmask.datasets.layouts import LAYOUTS
from unmask.datasets.manifest import read_manifest
from unmask.datasets.store import CropStore

CUT = ("--size-px", "64", "--selector", "uniform", "--budget", "2", "--limit", "3")


def unmask(*words: str | Path) -> int:
    return app(["data", *map(str, words)], standalone_mode=False) or 0


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_data_set_goes_from_its_folder_to_crops_and_their_counts(
    name: str, toy: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, hashed, halves, crops = (
        tmp_path / each for each in ("rows.parquet", "hashed.parquet", "halves.parquet", "crops")
    )
    assert unmask("index", name, toy(name), "-o", rows) == 0
    assert unmask("verify", rows, "--no-counts", "--hash", "-o", hashed) == 0
    assert unmask("split", hashed, "--protocol", "video", "-o", halves) == 0
    placed = read_manifest(halves)
    assert len(placed) == len(read_manifest(rows))
    assert {row.split for row in placed.records} <= {"train", "validation", "test"}
    assert unmask("audit", halves, "--no-frames") in {0, 1}
    assert unmask("crops", halves, "-o", crops, *CUT) in {0, 3}
    assert {row.status for row in CropStore(crops).coverage().values()} == {"done"}
    capsys.readouterr()
    assert unmask("stats", crops) == 0
    assert "real" in capsys.readouterr().out
