"""Cells: identity by content, whole files or none, and going on after a stop."""

# ruff: noqa: E402 - imports wait for the check that packages are there

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow", reason="studies need pyarrow (extra `data`)")

from unmask.core.errors import ManifestError
from unmask.studies.cells import Cache, Cell, Measured, Place


def cell(content: int, made: list[int] | None = None, **factors: int) -> Cell:
    def measure(_: Place) -> Measured:
        if made is not None:
            made.append(content)
        return Measured(pa.table({"value": [content]}), {"twice": 2.0 * content})

    return Cell(factors, {"number": content}, measure)


def test_a_cell_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    result: list[int] = []
    first, second = cache.run(cell(3, result, seed=1)), cache.run(cell(3, result, seed=2))
    assert result == [3]
    assert first.table.equals(second.table)
    assert second.figures["twice"] == 6.0
    assert second.figures["cell_seconds"] >= 0


def test_identity_is_the_content_and_not_the_place_in_a_study() -> None:
    assert cell(1, seed=1).key == cell(1, seed=2).key != cell(2, seed=1).key
    assert cell(1, seed=1).name == "seed 1"


def test_a_failed_cell_leaves_nothing_but_its_work(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(place: Place) -> Measured:
        (place.work / "half").write_text("done so far")
        raise RuntimeError("no")

    def go_on(place: Place) -> Measured:
        return Measured(pa.table({"found": [(place.work / "half").read_text()]}))

    with pytest.raises(RuntimeError, match="no"):
        cache.run(Cell({}, {"x": 1}, fail))
    again = Cell({}, {"x": 1}, go_on)
    assert not cache.has(again)
    assert cache.run(again).table["found"].to_pylist() == ["done so far"]
    assert not list(tmp_path.glob("*.work"))


def test_a_cell_whose_kept_file_is_gone_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def keep(place: Place) -> Measured:
        place.kept.mkdir(exist_ok=True)
        (place.kept / "weights").write_text("w")
        return Measured(pa.table({"a": [1]}))

    kept = Cell({}, {"x": 2}, keep, ("weights",))
    cache.run(kept)
    (cache.kept(kept) / "weights").unlink()
    assert not cache.has(kept)
    cache.run(kept)
    assert (cache.kept(kept) / "weights").read_text() == "w"


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.run(cell(1))
    (path,) = tmp_path.glob("*.parquet")
    path.write_bytes(b"torn")
    with pytest.raises(ManifestError, match="is not a Parquet file, or is damaged"):
        cache.read(cell(1))


_KILLED = """
import sys, time
from pathlib import Path
import pyarrow as pa
from unmask.studies.cells import Cache, Cell, Measured

def measure(place):
    (place.work / "begun").write_text("")
    time.sleep(60)

Cache(sys.argv[1]).run(Cell({}, {"number": 7}, measure))
"""


def test_a_process_killed_in_a_cell_does_not_bar_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)])
    until = time.monotonic() + 60
    while not list(tmp_path.glob("*.work/begun")) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Cache(tmp_path).has(cell(7))
    assert Cache(tmp_path).run(cell(7)).table["value"].to_pylist() == [7]
