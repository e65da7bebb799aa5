"""The manifest: a row per video of a data set, as Parquet, with what holds for all rows beside it.

Everything after the layout adapters works on manifests alone: verification, splits, leak audit,
crop store. A video's id is its full path below the data set's folder, never a folder's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.core.errors import InputNotFound, ManifestError
from unmask.system.parquet import read_table
from unmask.system.remote_files import local_copy, write_anywhere

Label = Literal["real", "fake"]
Split = Literal["train", "validation", "test"]
Kind = Literal["video", "frames", "crop"]

MANIFEST_VERSION = 1
"""Version of the columns and of the metadata."""
_ROWS_AT_A_TIME = 10_000
_ROWS_IN_GROUP = 100_000
_NAMES = frozenset(["id", "crop_id", "sha256", "size_bytes", "fold"])
"""Columns whose values few rows share, or which are small numbers."""
_METADATA_KEY = b"unmask"
_HINT = "make a manifest with `unmask data index`, or index a table with the layout `table`"


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One video (or folder of frames, or single crop) of a data set."""

    id: str
    """Path below the data set's folder, with forward slashes: unique in a manifest."""
    dataset: str
    """Name of the layout it came from, such as `ffpp`."""
    label: Label
    """Whether the *picture* was manipulated; a fake voice over a real picture is `real`."""
    method: str | None = None
    """Manipulation method as the data set names it; None for reals."""
    target: str | None = None
    """Footage key of the clip that was changed; a real's own key. Independent of compression, so
    that all versions of one clip share it: `ffpp/youtube/000`, `celebdf-v2/id0_0001`."""
    source: str | None = None
    """Footage key of the clip whose face or expression was put in; None where there is none or it
    is not known."""
    identities: tuple[str, ...] = ()
    """Keys of the persons involved, the one in the video first, then whose face was put in:
    `celebdf-v2/id0`. Empty where the data set does not tell."""
    part: str | None = None
    """Part of the data set's download that it lies in, such as `dfdc_train_part_05`."""
    split: Split | None = None
    """Split; after indexing the data set's own (official) one, None where it has none."""
    fold: int | None = None
    """Fold of a k-fold protocol, from 0."""
    compression: str | None = None
    """`raw`, `c23`, `c40`, ...; None where the data set has one version only."""
    mask: str | None = None
    """Path of the manipulation mask below the data set's folder."""
    kind: Kind = "video"
    """A video file, a folder of frames in order, or one cropped picture."""
    size_bytes: int | None = None
    """Size on disk; None until hashed or listed."""
    sha256: str | None = None
    """SHA-256 of the file; None until hashed, and for folders of frames the hash over the sorted
    names and hashes of their files."""
    note: str | None = None
    """What a reader should know of this row."""

    def __post_init__(self) -> None:
        """Check what every later step relies on."""
        if not self.id or self.id.startswith("/") or ".." in self.id.split("/"):
            raise ValueError(f"an id is a path below the data set's folder, got {self.id!r}")
        if self.label not in {"real", "fake"}:
            raise ValueError(f"label must be 'real' or 'fake', got {self.label!r} for {self.id}")

    @property
    def footage(self) -> tuple[str, ...]:
        """Keys of the footage in it: the clip that was changed and the one that was put in."""
        return tuple(dict.fromkeys(key for key in (self.target, self.source) if key))


@dataclass(frozen=True)
class ManifestInfo:
    """What holds for a whole manifest."""

    dataset: str
    """Name of the layout, or several joined with `+`."""
    root: str
    """Absolute path of the data set's folder when it was indexed."""
    licence: str
    """Terms of the data set in a few words."""
    protocol: str | None = None
    """How the splits were made: `official`, `video`, ...; None before `data split`."""
    leaks: bool = False
    """Whether the protocol lets the same footage or persons into several splits by design; carried
    into every number computed from these rows."""
    leak_reason: str | None = None
    """Why it leaks."""
    seed: int | None = None
    """Seed of the split."""
    warnings: tuple[str, ...] = ()
    """What a user of these splits should know."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Resolved arguments that made it, program version included."""


@dataclass(frozen=True)
class Manifest:
    """Rows and what holds for all of them."""

    info: ManifestInfo
    """What holds for all rows."""
    records: tuple[VideoRecord, ...]
    """Rows in order of id; ids are unique."""

    def __post_init__(self) -> None:
        """Refuse two rows of one id."""
        seen: set[str] = set()
        for record in self.records:
            if record.id in seen:
                raise ManifestError(
                    f"two rows have the id {record.id!r}",
                    hint="index the data set again; ids are paths and must be unique",
                )
            seen.add(record.id)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.records)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Manifest({self.info.dataset!r}, {len(self)} rows, {self.info.protocol})"

    def with_records(self, records: Iterable[VideoRecord], **info: Any) -> Manifest:
        """Return a manifest of other rows, in order of id, with parts of the info replaced."""
        ordered = tuple(sorted(records, key=lambda record: record.id))
        return Manifest(replace(self.info, **info), ordered)

    def path_of(self, record: VideoRecord, *, root: str | Path | None = None) -> Path:
        """Return where a row's file lies: below `root`, or below the folder it was indexed in."""
        return Path(root or self.info.root, record.id)


_TYPES: dict[str, pa.DataType] = {
    "fold": pa.int32(),
    "size_bytes": pa.int64(),
    "identities": pa.list_(pa.string()),
}
COLUMNS: pa.Schema = pa.schema(
    [(column.name, _TYPES.get(column.name, pa.string())) for column in fields(VideoRecord)]
)
"""Columns of the Parquet file, in the order of `VideoRecord`."""


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest as Parquet, atomically: the file is there whole or not at all."""
    described = {"version": MANIFEST_VERSION, **asdict(manifest.info)}
    schema = COLUMNS.with_metadata({_METADATA_KEY: json.dumps(described, sort_keys=True)})

    def write(made: Path) -> None:
        with pq.ParquetWriter(made, schema, compression="zstd") as writer:
            for first in range(0, max(1, len(manifest)), _ROWS_IN_GROUP):
                some = manifest.records[first : first + _ROWS_IN_GROUP]
                rows = {name: [getattr(each, name) for each in some] for name in COLUMNS.names}
                writer.write_table(pa.table(rows, schema=schema))

    write_anywhere(Path(path), write)


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest, or one at an address.

    Raises:
        InputNotFound: no such file.
        ManifestError: not a Parquet file, or not a manifest, or of another version.
    """
    if not local_copy(path).is_file():
        raise InputNotFound(
            f"no manifest {str(path)!r}", hint="make one with `unmask data index LAYOUT FOLDER`"
        )
    table = read_table(local_copy(path), hint="make one with `unmask data index`")
    described = _read_description(table, path)
    try:
        info = ManifestInfo(**{**described, "warnings": tuple(described.get("warnings", ()))})
        rows = (
            row
            for batch in table.select(COLUMNS.names).to_batches(max_chunksize=_ROWS_AT_A_TIME)
            for row in batch.to_pylist()
        )
        records = tuple(VideoRecord(**row) for row in with_shared_values(rows))
    except Exception as error:  # whatever a value of another type does
        raise ManifestError(f"{str(path)!r} is a damaged manifest: {error}", hint=_HINT) from error
    return Manifest(info, records)


def with_shared_values(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows of a table whose equal texts and persons are one object, but for names of rows.

    Millions of rows share a few thousand of them. Persons become a tuple.
    """
    known: dict[Any, Any] = {}
    for row in rows:
        row["identities"] = tuple(row["identities"] or ())
        for name, value in row.items():
            if name not in _NAMES:
                row[name] = known.setdefault(value, value)
        yield row


def _read_description(table: pa.Table, path: str | Path) -> dict[str, Any]:
    """Return the metadata without its version, checked."""
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None or not set(COLUMNS.names) <= set(table.column_names):
        raise ManifestError(f"{str(path)!r} is a table, but not a manifest", hint=_HINT)
    try:
        described: dict[str, Any] = dict(json.loads(raw))
    except (ValueError, TypeError, RecursionError) as error:
        raise ManifestError(f"{str(path)!r} is a damaged manifest: {error}", hint=_HINT) from error
    version = described.pop("version", None)
    if version != MANIFEST_VERSION:
        raise ManifestError(
            f"{str(path)!r} is a manifest of version {version}, this program reads "
            f"{MANIFEST_VERSION}",
            hint=_HINT,
        )
    return described
