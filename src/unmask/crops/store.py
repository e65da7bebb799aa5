"""The crop store: a folder of Parquet shards that no interruption tears.

    store.json            settings, versions, licence, hash of the manifest
    shards/               NNNNN-<content hash>.parquet, whole videos only
    pending/              one small Parquet file for each video not yet in a shard
    coverage.parquet      a row per video: done, empty or failed, and why

Every file is written under another name, flushed to the disk and renamed, so it is there whole or
not at all. A finished video is a file in `pending` before the next one begins; many of them become
a shard, and only then are they removed. One process writes; a lock keeps a second one out. How each
video ended stands in the metadata of the file with its crops, so that coverage can be read from the
files alone and `coverage.parquet` is a copy for reading.

At an address (`s3://bucket/crops`) the same files are objects. A run works on a copy in which a
file without rows stands for each shard: it needs their metadata alone, see `system.store_folders`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.core.errors import ManifestError
from unmask.crops.rows import (
    COLUMNS,
    METADATA_KEY,
    PICTURES,
    STORE_VERSION,
    StoreInfo,
    VideoCoverage,
    VideoCrops,
    coverage_fields,
    coverage_table,
    read_coverage,
    to_table,
)
from unmask.system.files import (
    drop_partials,
    file_sha256,
    name_full_disk,
    partial_path,
    publish,
    write_text,
    write_whole,
)
from unmask.system.parquet import read_errors
from unmask.system.remote_files import local_copy
from unmask.system.store_folders import Copied, StoreFolder, written_folder

SHARD_BYTES = 128 * 2**20
"""Pending bytes that are made a shard."""
GROUP_ROWS = 128
"""Rows in a row group: small enough that one is read for a few pictures, and large enough that the
footer stays below a hundredth of the file. Random access does not read groups, see `reading`."""
_ONE_PAGE_BYTES = 2**30
_HASH_DIGITS = 16
_VERIFY_HINT = "remove the file and run `unmask data crops` again: its videos are cut anew"


class CropStore:
    """A crop store on disk, for reading; `open_for_writing` opens one for writing.

    Args:
        folder: of the store, or its address, which is copied as a whole.

    Raises:
        ManifestError: there is no crop store, or it is of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = local_copy(folder)
        self.info = _read_info(self.folder)

    def __repr__(self) -> str:
        """Show where it is and how large."""
        return f"CropStore({str(self.folder)!r}, {len(self.shards())} shards)"

    def shards(self) -> list[Path]:
        """Return the shards, oldest first."""
        return sorted((self.folder / "shards").glob("*.parquet"))

    def pending(self) -> list[Path]:
        """Return the files of videos that are in no shard yet."""
        return sorted((self.folder / "pending").glob("*.parquet"))

    def coverage(self) -> dict[str, VideoCoverage]:
        """Return how each video ended, by id and in its order; a later try counts."""
        lines = {
            line.record.video_id: line
            for path in [*self.shards(), *self.pending()]
            for line in _coverage_in(path)
        }
        return dict(sorted(lines.items()))

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Return columns of all crops that are in shards."""
        chosen = pa.schema([COLUMNS.field(name) for name in columns])
        tables = []
        for path in self.shards():
            with read_errors(path, hint=_VERIFY_HINT):
                table = _read_shard(path, list(columns)).cast(chosen)
                table.validate(full=True)
                tables.append(table)
        return pa.concat_tables([chosen.empty_table(), *tables])

    def damaged(self) -> list[Path]:
        """Return the shards whose content is not that of their name; reads all of them."""
        return [path for path in self.shards() if path.stem.partition("-")[2] != _hash(path)]


class StoreWriter(CropStore):
    """An open crop store; made by `open_for_writing`."""

    def __init__(self, place: StoreFolder, *, shard_bytes: int) -> None:
        super().__init__(place.path)
        self._place = place
        self._shard_bytes = shard_bytes
        drop_partials(place.path)
        self._drop_sealed()
        self._pending_bytes = sum(path.stat().st_size for path in self.pending())

    def add(self, crops: VideoCrops) -> None:
        """Store a video; when this returns it is safe on the disk."""
        name = hashlib.sha256(crops.coverage.record.video_id.encode()).hexdigest()[:_HASH_DIGITS]
        path = self.folder / "pending" / f"{name}.parquet"
        table = to_table(crops.rows)
        write_whole(path, lambda partial: self._write(table, [crops.coverage], partial))
        self._place.send(path)
        self._pending_bytes += path.stat().st_size
        if self._pending_bytes >= self._shard_bytes:
            self.seal()

    def seal(self) -> None:
        """Make one shard of all pending videos, and bring `coverage.parquet` up to date."""
        pieces = sorted((_coverage_in(path)[0].record.video_id, path) for path in self.pending())
        if pieces:
            paths = [path for _, path in pieces]
            lines = [line for path in paths for line in _coverage_in(path)]
            self.add_shard(pa.concat_tables([_read_shard(path) for path in paths]), lines)
            for path in paths:
                self._place.remove(path)
            self._pending_bytes = 0
        table = coverage_table(list(self.coverage().values()))
        path = self.folder / "coverage.parquet"
        write_whole(path, lambda partial: pq.write_table(table, partial, compression="zstd"))
        self._place.send(path)

    def add_shard(self, table: pa.Table, lines: Sequence[VideoCoverage]) -> None:
        """Store whole videos at once as one shard.

        Args:
            table: their crops, video after video in the order of `lines`, with `rows.COLUMNS`.
            lines: how they ended.
        """
        shards = self.shards()
        number = int(shards[-1].stem.partition("-")[0]) + 1 if shards else 0
        folder = self.folder / "shards"
        partial = partial_path(folder / f"{number:05d}")
        with name_full_disk(folder):
            try:
                self._write(table, lines, partial)
                whole = folder / f"{number:05d}-{_hash(partial)}.parquet"
                publish(partial, whole)
            except BaseException:  # Ctrl-C as well
                partial.unlink(missing_ok=True)
                raise
        try:
            self._place.send(whole)
        except BaseException:  # what is pending there is not removed before its shard is there
            whole.unlink()
            raise

    def _drop_sealed(self) -> None:
        """Remove pending videos that made it into a shard before an interruption."""
        pending = self.pending()
        if not pending:
            return
        sealed = {line for path in self.shards() for line in _coverage_in(path)}
        for path in pending:
            if sealed.issuperset(_coverage_in(path)):
                self._place.remove(path)

    def _write(self, table: pa.Table, lines: Sequence[VideoCoverage], path: Path) -> None:
        """Write a shard or a pending video.

        Pictures are stored plain and in one page of each row group, so that `reading` finds one by
        the lengths of those after it.
        """
        described = {
            "version": STORE_VERSION,
            **asdict(self.info),
            "videos": [coverage_fields(line) for line in lines],
        }
        text = json.dumps(described, sort_keys=True)
        described_table = table.replace_schema_metadata({METADATA_KEY: text})
        with pq.ParquetWriter(
            path,
            described_table.schema,
            compression={
                leaf: "none" if leaf in PICTURES else "zstd" for leaf in _leaves(table.schema)
            },
            use_dictionary=[
                f.name for f in table.schema if pa.types.is_string(f.type) and f.name != "crop_id"
            ],
            write_statistics=["label", "split", "video_id"],
            data_page_size=_ONE_PAGE_BYTES,
        ) as writer:
            # of videos without crops no group: Hugging Face's reader fails at one without rows
            if len(table):
                writer.write_table(described_table, row_group_size=GROUP_ROWS)


@contextmanager
def open_for_writing(
    folder: str | Path, info: StoreInfo, *, shard_bytes: int = SHARD_BYTES
) -> Iterator[StoreWriter]:
    """Open a store for writing, new or to go on with; seal what is pending at the end.

    Raises:
        ManifestError: it was made with other settings or of another manifest, or it is no store,
            or another process writes to it.
        DownloadError: an address cannot be written.
    """
    with written_folder(folder, begins_with="store.json", copied=_COPIED) as place:
        yield from _writing_to(place, info, shard_bytes)


def _writing_to(place: StoreFolder, info: StoreInfo, shard_bytes: int) -> Iterator[StoreWriter]:
    path = place.path
    if not (path / "store.json").exists():
        _refuse_other_content(path)
    for name in ("shards", "pending"):
        (path / name).mkdir(parents=True, exist_ok=True)
    with _hold_lock(path):
        if not (path / "store.json").exists():
            write_text(path / "store.json", _as_json(info))
            place.send(path / "store.json")
        _refuse_differences(path, _read_info(path), info)
        store = StoreWriter(place, shard_bytes=shard_bytes)
        try:
            yield store
        finally:
            store.seal()


def _is_no_shard(name: str, _names: AbstractSet[str]) -> bool:
    return not name.startswith("shards/")


def _without_rows(shard: IO[bytes], stub: Path) -> None:
    """Write a file that tells of its videos what a shard tells, and has none of its crops."""
    with read_errors(stub, hint=_VERIFY_HINT), pq.ParquetFile(shard) as file:
        schema = file.schema_arrow
    write_whole(stub, lambda partial: pq.write_table(schema.empty_table(), partial))


_COPIED = Copied(_is_no_shard, _without_rows)


def _refuse_other_content(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ManifestError(f"{str(path)!r} is a file", hint="name a folder for the crops")
    half = (each.name for each in path.glob(".store.json.*partial"))
    ours = {"shards", "pending", ".lock", *half}
    others = sorted({each.name for each in path.glob("*")} - ours)
    if others:
        raise ManifestError(
            f"{str(path)!r} is no crop store, but holds {others[0]!r}",
            hint="name a new or an empty folder",
        )


def _refuse_differences(path: Path, stored: StoreInfo, expected: StoreInfo) -> None:
    there, here = stored.settings, expected.settings
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise ManifestError(
                f"{str(path)!r} was cut with {name}={there.get(name)}, asked for now: "
                f"{name}={here.get(name)}",
                hint="ask for the same settings, or name another folder",
            )
    if stored.manifest_sha256 != expected.manifest_sha256:
        raise ManifestError(
            f"{str(path)!r} was cut from another manifest (of {stored.manifest_rows} rows, "
            f"protocol {stored.protocol}; now {expected.manifest_rows} rows, {expected.protocol})",
            hint="give the manifest that it was begun with, or name another folder",
        )


@contextmanager
def _hold_lock(folder: Path) -> Iterator[None]:
    """Hold the store's lock; it ends with the process, however that ends."""
    import fcntl

    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ManifestError(
                f"another process is writing to {str(folder)!r}", hint="wait until it has ended"
            ) from error
        yield


def _as_json(info: StoreInfo) -> str:
    return json.dumps({"version": STORE_VERSION, **asdict(info)}, indent=2, sort_keys=True) + "\n"


def _read_info(folder: Path) -> StoreInfo:
    hint = "make one with `unmask data crops MANIFEST -o FOLDER`"
    try:
        described: dict[str, Any] = dict(
            json.loads((folder / "store.json").read_text(encoding="utf-8"))
        )
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ManifestError(f"{str(folder)!r} is not a crop store", hint=hint) from error
    version = described.pop("version", None)
    if version != STORE_VERSION:
        raise ManifestError(
            f"{str(folder)!r} is a crop store of version {version}, this program reads "
            f"{STORE_VERSION}",
            hint=hint,
        )
    try:
        return StoreInfo(**described)
    except (TypeError, ValueError) as error:
        raise ManifestError(
            f"store.json of {str(folder)!r} is damaged: {error}", hint=hint
        ) from error


def _read_shard(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a shard or a pending video, or columns of it."""
    with read_errors(path, hint=_VERIFY_HINT), pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def _coverage_in(path: Path) -> list[VideoCoverage]:
    with read_errors(path, hint=_VERIFY_HINT), pq.ParquetFile(path) as file:
        metadata = file.schema_arrow.metadata or {}
    if METADATA_KEY not in metadata:
        raise ManifestError(
            f"{str(path)!r} is no shard of a crop store: its metadata is missing",
            hint="remove it; files written by other programs do not belong there",
        )
    with read_errors(path, hint=_VERIFY_HINT):
        described = json.loads(metadata[METADATA_KEY])
        return [read_coverage(line, described["dataset"]) for line in described["videos"]]


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the Parquet paths of the columns."""
    return [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in schema]


def _hash(path: Path) -> str:
    return file_sha256(path)[:_HASH_DIGITS]
