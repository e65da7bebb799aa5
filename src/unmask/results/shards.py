"""The shards of a result store: folders of Parquet files, one for each kind of rows.

A shard is written once and never changed. One that stands for others names them in
`replaces.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.core.errors import ManifestError, UnmaskError
from unmask.report.document import from_json
from unmask.results.rows import (
    FileRow,
    KeyFrameRow,
    Row,
    TrackRow,
    key_frame_rows,
    schema_of,
    track_rows,
)
from unmask.system.files import write_text, write_whole
from unmask.system.memory import return_freed_memory
from unmask.system.parquet import batches
from unmask.system.store_folders import Copied

Item = TypeVar("Item")

BATCH = 16
"""Results that are held in memory at a time."""
_ROWS = 4096
"""Rows that are read at a time."""
_REPLACES = "replaces.json"
WHOLE = "files.parquet"
"""File of a shard that is sent last: where it is missing, the shard is not whole."""
_HINT = "the store is damaged: restore the file from a copy, or begin a new store"
_DOCUMENTS = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("result_id", "path", "document")]
)
_PAGES = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("result_id", "path", "page")]
)
PATHS = pa.schema(
    [
        pa.field("absolute_path", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64()),
        pa.field("mtime_ns", pa.int64()),
        pa.field("sha256", pa.string(), nullable=False),
    ]
)
TABLES: dict[str, pa.Schema] = {
    "files": schema_of(FileRow),
    "tracks": schema_of(TrackRow),
    "key_frames": schema_of(KeyFrameRow),
    "documents": _DOCUMENTS,
    "pages": _PAGES,
}
Tables = dict[str, list[dict[str, Any]]]
"""Rows by table."""


@dataclass(frozen=True)
class Stored:
    """One result as a store holds it."""

    row: FileRow
    """The file's row."""
    document: str
    """Its JSON, a `ScanDocument` of this file alone."""
    page: str | None
    """Its report as HTML; None where reports are not kept."""


def replaced_by(shard: Path) -> list[str]:
    """Return the names of the shards that one stands for."""
    path = shard / _REPLACES
    if not path.exists():
        return []
    with reading_piece(path):
        return [str(name) for name in json.loads(path.read_text(encoding="utf-8"))]


def copied(tables: Collection[str]) -> Copied:
    """Return what of a store a copy of it has: all but the tables that are not named.

    Args:
        tables: of shards, besides the files.
    """
    kept = {WHOLE, _REPLACES, *(f"{table}.parquet" for table in tables)}

    def wanted(name: str, names: AbstractSet[str]) -> bool:
        shard, _, file = name.rpartition("/")
        return not shard.startswith("shards/") or (file in kept and f"{shard}/{WHOLE}" in names)

    return Copied(wanted)


def copied_rows(shards: Sequence[Path]) -> Iterator[Tables]:
    """Yield the rows of shards by table, a few at a time."""
    for shard in shards:
        for name in TABLES:
            for some in groups(rows_of(shard, name), _rows_at_once(name)):
                yield {name: some}


def write_shard(folder: Path, parts: Iterable[Tables], replaces: Sequence[Path] = ()) -> None:
    """Write a shard to an empty folder, and flush it.

    Args:
        folder: of the shard.
        parts: some rows of each table, or of some of them.
        replaces: shards that it stands for.
    """
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd")
            )
            for name, schema in TABLES.items()
        }
        for part in parts:
            for name, rows in part.items():
                writers[name].write_table(pa.Table.from_pylist(rows, TABLES[name]))
    for name in TABLES:
        flush(folder / f"{name}.parquet")
    if replaces:
        write_text(folder / _REPLACES, json.dumps([shard.name for shard in replaces]))
    flush(folder)


def tables_of(stored: Sequence[Stored]) -> Tables:
    """Return the rows of each table that some results make."""
    tables: Tables = {name: [] for name in TABLES}
    for each in stored:
        (record,) = from_json(each.document).results
        named = {"result_id": each.row.result_id, "path": each.row.path}
        tables["files"].append(asdict(each.row))
        tables["tracks"] += [asdict(row) for row in track_rows(record, each.row)]
        tables["key_frames"] += [asdict(row) for row in key_frame_rows(record, each.row)]
        tables["documents"].append({**named, "document": each.document})
        if each.page is not None:
            tables["pages"].append({**named, "page": each.page})
    return tables


def write_rows(path: Path, schema: pa.Schema, rows: Iterator[Row | dict[str, Any]]) -> None:
    """Write a Parquet file of rows, a part of them at a time, whole or not at all.

    Args:
        path: the file.
        schema: its columns.
        rows: what stands in them.

    Raises:
        OSError: it cannot be written.
    """

    def write(partial: Path) -> None:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for some in groups(rows, _ROWS):
                plain = [each if isinstance(each, dict) else asdict(each) for each in some]
                writer.write_table(pa.Table.from_pylist(plain, schema))

    write_whole(path, write)


def rows_of(shard: Path, table: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; of those with long texts few are held at a time."""
    path = shard / f"{table}.parquet"
    return rows_in(path, TABLES[table].names, _rows_at_once(table))


@contextmanager
def memory_returned() -> Iterator[None]:
    """Give memory back at the end: Arrow's own pool and the C library keep much of it for later."""
    before, pool = pa.default_memory_pool(), pa.system_memory_pool()
    pa.set_memory_pool(pool)
    try:
        yield
    finally:
        pa.set_memory_pool(before)
        pool.release_unused()
        return_freed_memory()


def _rows_at_once(table: str) -> int:
    return BATCH if table in {"documents", "pages"} else _ROWS


def rows_in(path: Path, columns: Sequence[str], rows: int = _ROWS) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, some columns of them, some at a time."""
    for batch in batches(path, columns=columns, rows=rows, hint=_HINT):
        yield from batch.to_pylist()


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of a size; the last may be shorter."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


@contextmanager
def reading_piece(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with one of a store's small files into one error.

    Raises:
        ManifestError: it is damaged.
    """
    try:
        yield
    except (UnmaskError, FileNotFoundError):
        raise
    except (OSError, EOFError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ManifestError(
            f"{str(path)!r} is damaged: {type(error).__name__}: {error}",
            hint="remove the file and run the scan again: its video is then analysed again",
        ) from error


def flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
