"""The result store: a folder that holds what scans found, and that no interruption tears.

    store.json            version of the store, and of the program that made it
    shards/NNNNN/         files.parquet, tracks.parquet, key_frames.parquet: the rows of `rows`;
                          documents.parquet: the full JSON of each file, as `scan --json` writes it;
                          pages.parquet: its report, where reports are kept
    pending/              one gzipped JSON file for each result that is in no shard yet
    failures/             one JSON file for each file of which there is no result
    failures.parquet      the same as rows
    paths.parquet         every path that was seen, with size, time and the SHA-256 of its content

A result is a file in `pending` before the next one is taken; many of them become a shard, and only
then are they removed. Files are written under another name, flushed and renamed, shards as whole
folders, so each is there whole or not at all. A result's name is a hash of content, detector and
settings: it is written once, whatever happens, and never changed. `failures.parquet` and
`paths.parquet` are copies for reading, made new at the end of each run.

Many short runs leave many small shards: at the end of a run the last of them are joined to one,
unless somebody reads the store. Its `replaces.json` names the shards that it stands for, so that
those which a kill left behind are not read, and the next run drops them.

At an address (`s3://bucket/results`) the same files are objects; a run works on a copy without the
large tables, see `system.store_folders`. Of a shard `files.parquet` comes last and makes it count.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unmask.core.errors import ManifestError
from unmask.results.index import Ranking, row_from
from unmask.results.locks import read_lock
from unmask.results.rows import FileRow
from unmask.results.shards import (
    PATHS,
    Stored,
    reading_piece,
    replaced_by,
    rows_in,
    rows_of,
)

STORE_VERSION = 1
"""Version of a store's files."""


class ResultStore:
    """A result store on disk, for reading, also while a run writes to it.

    Args:
        folder: of the store.

    Raises:
        ManifestError: there is no result store, or it is of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        _check_version(self.folder)

    def __repr__(self) -> str:
        """Show where it is and how large."""
        return f"ResultStore({str(self.folder)!r}, {len(self.shards())} shards)"

    def shards(self) -> list[Path]:
        """Return the shards, oldest first."""
        found = sorted((self.folder / "shards").glob("[0-9]*"))
        replaced = {name for shard in found for name in replaced_by(shard)}
        return [shard for shard in found if shard.name not in replaced]

    def pending(self) -> list[Path]:
        """Return the files of results that are in no shard yet."""
        return sorted((self.folder / "pending").glob("*.json.gz"))

    def rows(self) -> Iterator[FileRow]:
        """Yield the row of every file, failures last."""
        yield from self.results()
        yield from self.failures()

    def results(self) -> Iterator[FileRow]:
        """Yield the row of every result, in the order in which they were stored."""
        for row in self._sealed_or_pending("files"):
            yield row_from(row) if isinstance(row, dict) else row.row

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the JSON of every result."""
        for row in self._sealed_or_pending("documents"):
            if isinstance(row, dict):
                yield row["result_id"], row["document"]
            else:
                yield row.row.result_id, row.document

    def pages(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the report of every result that has one."""
        for row in self._sealed_or_pending("pages"):
            if isinstance(row, dict):
                yield row["result_id"], row["page"]
            elif row.page is not None:
                yield row.row.result_id, row.page

    def failures(self) -> Iterator[FileRow]:
        """Yield the row of every file of which there is no result."""
        for path in self._failed():
            with reading_piece(path):
                yield row_from(json.loads(path.read_text(encoding="utf-8")))

    def paths(self) -> Iterator[dict[str, Any]]:
        """Yield the paths that were seen when the last run ended, with their contents."""
        path = self.folder / "paths.parquet"
        if path.exists():
            yield from rows_in(path, PATHS.names)

    def ranking(self) -> Ranking:
        """Return its files, the most suspicious first; to be closed."""
        return Ranking(self.rows(), self.paths())

    def _failed(self) -> list[Path]:
        return sorted((self.folder / "failures").glob("*.json"))

    def _sealed_or_pending(self, table: str) -> Iterator[dict[str, Any] | Stored]:
        """Yield the rows of a table in all shards, then the results that are in none.

        What is sealed meanwhile is read from its shard: the pending files are listed first.
        """
        with read_lock(self.folder):
            yield from self._sealed_or_pending_now(table)

    def _sealed_or_pending_now(self, table: str) -> Iterator[dict[str, Any] | Stored]:
        pending = self.pending()
        shards = self.shards()
        for shard in shards:
            yield from rows_of(shard, table)
        newest = self._ids_in(shards[-1:])
        sealed = set()
        for path in pending:
            if id_of(path) in newest:
                continue
            try:
                stored = read_pending(path)
            except FileNotFoundError:
                sealed.add(id_of(path))
                continue
            yield stored
        if sealed:
            for shard in [each for each in self.shards() if each not in shards]:
                yield from (row for row in rows_of(shard, table) if row["result_id"] in sealed)

    def _ids_in(self, shards: Sequence[Path]) -> set[str]:
        return {
            row["result_id"]
            for shard in shards
            for row in rows_in(shard / "files.parquet", ["result_id"])
        }


def read_pending(path: Path) -> Stored:
    """Read a result that is in no shard yet."""
    with reading_piece(path):
        held = json.loads(gzip.decompress(path.read_bytes()))
        return Stored(row_from(held["row"]), held["document"], held["page"])


def id_of(pending: Path) -> str:
    """Return the id of a result that is in no shard yet."""
    return pending.name.removesuffix(".json.gz")


def _check_version(folder: Path) -> None:
    hint = "make one with `unmask scan FILES -o FOLDER`"
    try:
        result = json.loads((folder / "store.json").read_text(encoding="utf-8"))["result_store"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ManifestError(f"{str(folder)!r} is no result store", hint=hint) from error
    if result != STORE_VERSION:
        raise ManifestError(
            f"{str(folder)!r} is a result store of version {result}, this program reads "
            f"{STORE_VERSION}",
            hint="read it with the version of the program that made it, or begin a new store",
        )
