"""A result store that a run adds to: results as they come, shards of many, and the end of a run.

See `store` for what lies in its folder, and why an interruption tears none of it.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from unmask.core.errors import ManifestError
from unmask.core.scan_record import SCHEMA_VERSION, Examination, ScanDocument, ScanRecord
from unmask.report.document import to_json
from unmask.results.index import KnownFiles
from unmask.results.locks import READERS, WRITER, read_lock, write_lock
from unmask.results.outcome import Judged, Source
from unmask.results.rows import FileRow
from unmask.results.shards import (
    BATCH,
    PATHS,
    TABLES,
    WHOLE,
    Tables,
    copied,
    copied_rows,
    flush,
    groups,
    memory_returned,
    rows_in,
    tables_of,
    write_rows,
    write_shard,
)
from unmask.results.store import STORE_VERSION, ResultStore, id_of, read_pending
from unmask.system.files import drop_partials, name_full_disk, write_text, write_whole
from unmask.system.store_folders import StoreFolder, written_folder

_BUILDING = ".building"
"""Folder of a shard that is not whole yet, or that is going."""
SHARD_RESULTS = 256
"""Pending results that are made a shard."""
_SHARD_BYTES = 64 * 2**20
"""Pending bytes that are made one, however few results they are."""
SMALL_SHARDS = 8
"""Small shards at the end of a store that are joined to one."""


class StoreWriter(ResultStore):
    """An open result store; made by `writing`."""

    def __init__(self, place: StoreFolder, *, shard_results: int) -> None:
        super().__init__(place.path)
        self._place = place
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
            known.add(asdict(read_pending(path).row))
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
            self._place.send(path)
            self._count, self._bytes = self._count + 1, self._bytes + len(data)
        self._forget_failure(row)
        self.known.add(asdict(row))
        if self._count >= self._shard_results or self._bytes >= _SHARD_BYTES:
            self.seal()

    def add_failure(self, row: FileRow) -> None:
        """Store why there is no result of a file; an earlier reason is replaced."""
        text = json.dumps(asdict(row), indent=1)
        path = self.folder / "failures" / f"{row.result_id}.json"
        write_text(path, text)
        self._place.send(path)
        self.known.add(asdict(row))

    def add_path(self, source: Source, sha256: str) -> None:
        """Note that a file holds a content of which there is a result."""
        self.known.add_path({**asdict(source), "sha256": sha256})

    def seal(self) -> None:
        """Make one shard of all pending results."""
        sealed = self._ids_in(self.shards()[-1:])
        for path in self.pending():
            if id_of(path) in sealed:  # an interrupted seal had got so far
                self._place.remove(path)
        pieces = self.pending()
        if not pieces:
            return
        self._add_shard(
            tables_of([read_pending(path) for path in some]) for some in groups(pieces, BATCH)
        )
        for path in pieces:
            self._place.remove(path)
        self._count = self._bytes = 0

    def join_small_shards(self) -> None:
        """Make one shard of the small ones at the end, if they are many and nobody reads them.

        Those of an object store stay: who reads it holds no lock.
        """
        if not self._place.complete:
            return
        small: list[Path] = []
        for shard in reversed(self.shards()):
            if not self._is_small(shard):
                break
            small.insert(0, shard)
        if len(small) < SMALL_SHARDS:
            return
        with read_lock(self.folder, alone=True) as alone:
            if alone:
                self._add_shard(copied_rows(small), replaces=small)
                self._drop(small)

    def close(self) -> None:
        """Seal what is pending, and write the copies for reading."""
        try:
            self.seal()
            self.join_small_shards()
            failures, paths = self.folder / "failures.parquet", self.folder / "paths.parquet"
            write_rows(failures, TABLES["files"], self.failures())
            write_rows(paths, PATHS, self.known.paths())
            self._place.send(failures)
            self._place.send(paths)
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
        try:
            self._place.send(target, last=WHOLE)
        except BaseException:  # what is pending there is not removed before its shard is there
            shutil.rmtree(target)
            raise

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
            self._place.remove(self.folder / "failures" / f"{name}.json")

    def _remove_unfinished(self) -> None:
        """Remove what an interrupted run left: halves of files, and what it had stored twice."""
        shutil.rmtree(self.folder / _BUILDING, ignore_errors=True)
        drop_partials(self.folder)
        kept = self.shards()
        self._drop(set((self.folder / "shards").glob("[0-9]*")) - set(kept))
        sealed = self._ids_in(self.shards()[-1:])
        waiting = set()
        for path in self.pending():
            if id_of(path) in sealed:
                self._place.remove(path)
            else:
                waiting.add(id_of(path))
        for path in self._failed():
            if path.stem in sealed or path.stem in waiting:
                self._place.remove(path)


@contextmanager
def writing(folder: str | Path, *, shard_results: int = SHARD_RESULTS) -> Iterator[StoreWriter]:
    """Open a store for writing, new or to go on with; seal what is pending at the end.

    Args:
        folder: of the store, or its address; it is made if it is not there.
        shard_results: pending results that are made a shard.

    Raises:
        ManifestError: it is no result store, or another run writes to it.
        DownloadError: the address cannot be written.
    """
    with written_folder(folder, begins_with="store.json", copied=copied(())) as place:
        yield from _writing_to(place, shard_results)


def _writing_to(place: StoreFolder, shard_results: int) -> Iterator[StoreWriter]:
    path = place.path
    if not (path / "store.json").exists():
        _refuse_other_content(path)
    for name in ("shards", "pending", "failures"):
        (path / name).mkdir(parents=True, exist_ok=True)
    with write_lock(path):
        (path / READERS).touch()
        if not (path / "store.json").exists():
            write_text(path / "store.json", json.dumps({"result_store": STORE_VERSION}) + "\n")
            place.send(path / "store.json")
        store = StoreWriter(place, shard_results=shard_results)
        try:
            yield store
        finally:
            store.close()


def _refuse_other_content(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ManifestError(f"{str(path)!r} is a file", hint="name a folder for the results")
    ours = {"shards", "pending", "failures", WRITER, READERS}
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
