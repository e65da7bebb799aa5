"""Cells: single measurements of a study, each kept on disk under the hash of what it depends on.

    HASH.parquet   the measurement: a table, with its figures in the metadata; whole or not there
    HASH.kept/     files that other cells need, such as a network's weights
    HASH.work/     what a measurement that was killed had done so far; removed when it is finished

Two studies that ask for the same measurement share it. A study that was killed goes on with the
cells that are missing, and a training run inside a cell at its last checkpoint.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.system.files import write_whole
from unmask.system.parquet import read_errors

CELL_VERSION = 1
"""Raised when a measurement changes its meaning, so that old cells are measured anew."""
_METADATA_KEY = b"unmask-cell"
_HASH_DIGITS = 24

Factor = str | int | float
"""Value of one thing that a study varies."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a cell gives."""

    table: pa.Table
    """Rows, such as a score for each crop."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the whole cell, such as seconds."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a cell works."""

    work: Path
    """Kept when the process is killed, removed when the cell is finished."""
    kept: Path
    """For what other cells need; made by the cell."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One measurement."""

    factors: Mapping[str, Factor]
    """Where it stands in its study's table; no part of its identity."""
    content: Mapping[str, Any]
    """Everything that the measurement depends on, as JSON: its identity."""
    measure: Callable[[Place], Measured]
    """Makes the measurement."""
    keeps: tuple[str, ...] = ()
    """Files that must be in its kept folder for it to be done."""

    @cached_property
    def key(self) -> str:
        """Hash of the content."""
        text = json.dumps({"cell": CELL_VERSION, **self.content}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]

    @property
    def name(self) -> str:
        """Factors in words."""
        return ", ".join(f"{name} {value}" for name, value in self.factors.items())


class Cache:
    """A folder of cells.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def kept(self, cell: Cell) -> Path:
        """Return the folder of what a cell keeps for others."""
        return self.folder / f"{cell.key}.kept"

    def has(self, cell: Cell) -> bool:
        """Tell whether a cell is done."""
        kept = self.kept(cell)
        return self._path(cell).is_file() and all((kept / name).is_file() for name in cell.keeps)

    def read(self, cell: Cell) -> Measured:
        """Read a cell that is done.

        Raises:
            ManifestError: its file is damaged.
        """
        path = self._path(cell)
        with read_errors(path, hint="remove the file and run the study again"):
            table = pq.read_table(path)
            described = json.loads((table.schema.metadata or {})[_METADATA_KEY])
            return Measured(table.replace_schema_metadata(None), described["figures"])

    def run(self, cell: Cell) -> Measured:
        """Return a cell's measurement, made now if it is not done."""
        if not self.has(cell):
            with self._claimed(cell) as work:
                if not self.has(cell):
                    self._make(cell, work)
                shutil.rmtree(work, ignore_errors=True)
        return self.read(cell)

    def _make(self, cell: Cell, work: Path) -> None:
        began = time.perf_counter()
        measured = cell.measure(Place(work, self.kept(cell)))
        seconds = round(time.perf_counter() - began, 3)
        figures = {"cell_seconds": seconds, **measured.figures}
        described = {"version": CELL_VERSION, "content": cell.content, "figures": figures}
        table = measured.table.replace_schema_metadata({_METADATA_KEY: json.dumps(described)})
        write_whole(self._path(cell), lambda partial: pq.write_table(table, partial))

    @contextmanager
    def _claimed(self, cell: Cell) -> Iterator[Path]:
        """Hold a cell while it is made: another process that wants it waits, and then reads it."""
        work = self.folder / f"{cell.key}.work"
        # the lock's file stays: removed, it would let in a third process beside a waiting second
        with (self.folder / f".{cell.key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            work.mkdir(exist_ok=True)
            yield work

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.key}.parquet"


@dataclass(frozen=True, eq=False)
class CellMaker:
    """Makes cells that studies run on, and says so before it takes time."""

    cache: Cache
    """Where they are kept."""
    prepared: Callable[[str], None]
    """Told of what is being made."""

    def make(self, cell: Cell, title: str) -> Measured:
        """Return a cell's measurement, made now if it is not done."""
        if not self.cache.has(cell):
            self.prepared(title)
        return self.cache.run(cell)

    def try_to_make(self, cell: Cell) -> bool:
        """Make a cell that others are listed by; tell whether it could be made."""
        try:
            self.make(cell, cell.name)
        except Exception:  # noqa: BLE001 - the engine notes the reason when it comes to the cell
            return False
        return True
