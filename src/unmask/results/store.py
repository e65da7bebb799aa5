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
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from unmask.core.errors import ManifestError
from unmask.core.scan_record import SCHEMA_VERSION, Examination, ScanDocument, ScanRecord
from unmask.report.document import to_json
from unmask.results.index import KnownFiles, Ranking, row_from
from unmask.results.rows import FileRow, Judged, Source
from unmask.results.shards import (
    BATCH,
    PATHS,
    TABLES,
    Stored,
    Tables,
    copied_rows,
    flush,
    groups,
    memory_returned,
    reading_piece,
    replaced_by,
    rows_in,
    rows_of,
    tables_of,
    write_rows,
    write_shard,
)
from unmask.system.files import drop_partials, name_full_disk, write_text, write_whole

STORE_VERSION = 1
"""Version of a store's files."""
SHARD_RESULTS = 256
"""Pending results that are made a shard."""
_SHARD_BYTES = 64 * 2**20
"""Pending bytes that are made one, however few results they are."""
SMALL_SHARDS = 8
"""Small shards at the end of a store that are joined to one."""
_LOCK, _READERS, _BUILDING = ".lock", ".readers", ".building"


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
        with _read_lock(self.folder):
            yield from self._sealed_or_pending_now(table)

    def _sealed_or_pending_now(self, table: str) -> Iterator[dict[str, Any] | Stored]:
        pending = self.pending()
        shards = self.shards()
        for shard in shards:
            yield from rows_of(shard, table)
        newest = self._ids_in(shards[-1:])
        sealed = set()
        for path in pending:
            if _id_of(path) in newest:
                continue
            try:
                stored = _read_pending(path)
            except FileNotFoundError:
                sealed.add(_id_of(path))
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


class StoreWriter(ResultStore):
    """An open result store; made by `writing`."""

    def __init__(self, folder: Path, *, shard_results: int) -> None:
        super().__init__(folder)
        self._shard_results = shard_results
        self._remove_unfinished()
        waiting = self.pending()
        self._count, self._bytes = len(waiting), sum(path.stat().st_size for path in waiting)

    @cached_property
    def known(self) -> KnownFiles:
        """What it holds, for a run that is to do only what is new."""
        known = KnownFiles()
        for shard in self.shards():
            for row in rows_in(shard / "files.parquet", KnownFiles.COLUMNS):
                known.add(row)
        for path in self.pending():
            known.add(asdict(_read_pending(path).row))
        for failed in self.failures():
            known.add(asdict(failed))
        for seen in self.paths():
            known.add_path(seen)
        return known

    def add(
        self,
        record: ScanRecord,
        row: FileRow,
        page: str | None,
        examination: Examination | None = None,
    ) -> None:
        """Store a result; when this returns it is safe on the disk.

        Args:
            record: the result.
            row: its row, as `rows.file_row` makes it.
            page: its report as HTML, to be kept too.
            examination: case, analyst and note.
        """
        if (known := self.known.result(row.result_id)) is None or known.failed:
            document = to_json(ScanDocument(SCHEMA_VERSION, (record,), (), examination))
            stored = {"row": asdict(row), "document": document, "page": page}
            path = self.folder / "pending" / f"{row.result_id}.json.gz"
            data = gzip.compress(json.dumps(stored).encode(), 3, mtime=0)
            write_whole(path, lambda partial: partial.write_bytes(data))
            self._count, self._bytes = self._count + 1, self._bytes + len(data)
        self._forget_failure(row)
        self.known.add(asdict(row))
        if self._count >= self._shard_results or self._bytes >= _SHARD_BYTES:
            self.seal()

    def add_failure(self, row: FileRow) -> None:
        """Store why there is no result of a file; an earlier reason is replaced."""
        text = json.dumps(asdict(row), indent=1)
        write_text(self.folder / "failures" / f"{row.result_id}.json", text)
        self.known.add(asdict(row))

    def add_path(self, source: Source, sha256: str) -> None:
        """Note that a file holds a content of which there is a result."""
        self.known.add_path({**asdict(source), "sha256": sha256})

    def seal(self) -> None:
        """Make one shard of all pending results."""
        sealed = self._ids_in(self.shards()[-1:])
        for path in self.pending():
            if _id_of(path) in sealed:  # an interrupted seal had got so far
                path.unlink()
        pieces = self.pending()
        if not pieces:
            return
        self._add_shard(
            tables_of([_read_pending(path) for path in some]) for some in groups(pieces, BATCH)
        )
        for path in pieces:
            path.unlink()
        self._count = self._bytes = 0

    def join_small_shards(self) -> None:
        """Make one shard of the small ones at the end, if they are many and nobody reads them."""
        small: list[Path] = []
        for shard in reversed(self.shards()):
            if not self._is_small(shard):
                break
            small.insert(0, shard)
        if len(small) < SMALL_SHARDS:
            return
        with _read_lock(self.folder, alone=True) as alone:
            if alone:
                self._add_shard(copied_rows(small), replaces=small)
                self._drop(small)

    def close(self) -> None:
        """Seal what is pending, and write the copies for reading."""
        try:
            self.seal()
            self.join_small_shards()
            write_rows(self.folder / "failures.parquet", TABLES["files"], self.failures())
            write_rows(self.folder / "paths.parquet", PATHS, self.known.paths())
        finally:
            self.known.close()

    def _add_shard(self, parts: Iterable[Tables], replaces: Sequence[Path] = ()) -> None:
        """Add a shard of rows by table, whole or not at all; when this returns it is on the disk.

        Args:
            parts: rows by table.
            replaces: shards that it stands for.
        """
        folder, building = self.folder / "shards", self.folder / _BUILDING
        number = max((int(shard.name) for shard in folder.glob("[0-9]*")), default=-1) + 1
        target = folder / f"{number:05d}"
        shutil.rmtree(building, ignore_errors=True)
        with name_full_disk(target), memory_returned():
            try:
                building.mkdir()
                write_shard(building, parts, replaces)
                building.rename(target)
            except BaseException:  # Ctrl-C as well
                shutil.rmtree(building, ignore_errors=True)
                raise
        flush(folder)

    def _is_small(self, shard: Path) -> bool:
        size = sum(path.stat().st_size for path in shard.iterdir())
        rows = pq.read_metadata(shard / "files.parquet").num_rows
        return rows < self._shard_results and size < _SHARD_BYTES

    def _drop(self, shards: Collection[Path]) -> None:
        """Drop shards, each at once: what reads all tables of a store never sees half of one."""
        if not shards:
            return
        building = self.folder / _BUILDING
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for shard in shards:
            shard.rename(building / shard.name)
        shutil.rmtree(building)

    def _forget_failure(self, row: FileRow) -> None:
        judged = Judged(row.detector_sha256, row.settings_sha256)
        for name in (row.result_id, judged.result_id(f"unread {row.absolute_path}")):
            (self.folder / "failures" / f"{name}.json").unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        """Remove what an interrupted run left: halves of files, and what it had stored twice."""
        shutil.rmtree(self.folder / _BUILDING, ignore_errors=True)
        drop_partials(self.folder)
        kept = self.shards()
        self._drop(set((self.folder / "shards").glob("[0-9]*")) - set(kept))
        sealed = self._ids_in(self.shards()[-1:])
        waiting = set()
        for path in self.pending():
            if _id_of(path) in sealed:
                path.unlink()
            else:
                waiting.add(_id_of(path))
        for path in self._failed():
            if path.stem in sealed or path.stem in waiting:
                path.unlink()


@contextmanager
def writing(folder: str | Path, *, shard_results: int = SHARD_RESULTS) -> Iterator[StoreWriter]:
    """Open a store for writing, new or to go on with; seal what is pending at the end.

    Args:
        folder: of the store; it is made if it is not there.
        shard_results: pending results that are made a shard.

    Raises:
        ManifestError: it is no result store, or another run writes to it.
    """
    path = Path(folder)
    if not (path / "store.json").exists():
        _refuse_other_content(path)
        for name in ("shards", "pending", "failures"):
            (path / name).mkdir(parents=True, exist_ok=True)
    with _locked(path):
        (path / _READERS).touch()
        if not (path / "store.json").exists():
            write_text(path / "store.json", json.dumps({"result_store": STORE_VERSION}) + "\n")
        store = StoreWriter(path, shard_results=shard_results)
        try:
            yield store
        finally:
            store.close()


def _read_pending(path: Path) -> Stored:
    with reading_piece(path):
        held = json.loads(gzip.decompress(path.read_bytes()))
        return Stored(row_from(held["row"]), held["document"], held["page"])


def _id_of(pending: Path) -> str:
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


def _refuse_other_content(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ManifestError(f"{str(path)!r} is a file", hint="name a folder for the results")
    ours = {"shards", "pending", "failures", _LOCK, _READERS}
    others = sorted(
        each.name
        for each in path.glob("*")
        if each.name not in ours and not each.name.startswith(".store.json.")
    )
    if others:
        raise ManifestError(
            f"{str(path)!r} is no result store, but holds {others[0]!r}",
            hint="name a new or an empty folder",
        )


@contextmanager
def _read_lock(folder: Path, *, alone: bool = False) -> Iterator[bool]:
    """Keep shards from being dropped while they are read; yield whether the lock is held.

    Args:
        folder: of the store.
        alone: ask for it as the one who drops them, without waiting for readers.
    """
    with ExitStack() as stack:
        held = False
        with suppress(ImportError, OSError):  # Windows, or a share without locks: nothing is joined
            import fcntl

            file = stack.enter_context((folder / _READERS).open("rb"))
            kind = fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH
            fcntl.flock(file, kind)
            held = True
        yield held


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the store's lock; it ends with the process, however that ends.

    Its file says who holds it.
    """
    import fcntl

    with (folder / _LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = " ".join(file.read(200).split()) or "another run"
            raise ManifestError(
                f"{str(folder)!r} is being written to by {holder}",
                hint="wait until that run has ended, or name another folder",
            ) from error
        with suppress(OSError):  # on a full disk the lock holds without a name
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
