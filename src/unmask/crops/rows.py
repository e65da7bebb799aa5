"""What a crop store holds: a row per crop, a line of coverage per video, and what holds for all.

The values that cross from the worker processes to the store, and their form as Arrow tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pyarrow as pa

from unmask.crops.record import CropRecord
from unmask.datasets.manifest import Kind, Manifest, ManifestInfo, VideoRecord

Status = Literal["done", "empty", "failed"]

STORE_VERSION = 1
"""Version of the columns and of the metadata."""
METADATA_KEY = b"unmask-crops"


@dataclass(frozen=True, slots=True, kw_only=True)
class CropRow:
    """One face crop as a shard holds it."""

    record: CropRecord
    """What is known of it, as every reader sees it."""
    part: str | None
    """Part of the data set's download."""
    protocol: str | None
    """How the splits were made."""
    leaks: bool
    """Whether that protocol leaks by design."""
    kind: Kind
    """What it was cut from."""
    track_frames: int
    """Length of its track in sampled frames: things taken for a face are seen briefly."""
    difference: float | None
    """Smoothed inter-frame difference, grey levels."""
    sharpness: float
    """Variance of the Laplacian of the crop's luma at 128 px."""
    image: bytes
    """The crop, JPEG or PNG."""
    mask: bytes | None
    """The manipulation mask under the crop, PNG of one channel, 255 is manipulated."""

    @property
    def image_size_bytes(self) -> int:
        """Length of `image`."""
        return len(self.image)

    @property
    def mask_size_bytes(self) -> int | None:
        """Length of `mask`."""
        return None if self.mask is None else len(self.mask)


@dataclass(frozen=True, slots=True)
class VideoCoverage:
    """How a video ended."""

    record: CropRecord
    """What is known of the video; names of clips, persons and folds are missing in old stores."""
    status: Status
    """`done`, `empty` (no face was found) or `failed`."""
    reason: str | None = None
    """Why there is no crop; None where there are some."""
    notes: str | None = None
    """What was left out of a video that is done, separated by `; `."""
    crops: int = 0
    """Crops stored."""
    tracks_found: int = 0
    """Faces followed."""
    tracks_kept: int = 0
    """Faces that crops were cut from."""
    seconds_analysed: float | None = None
    """Length of the footage that was decoded; None for pictures and failures."""
    work_seconds: float = 0.0
    """Time it took."""

    @classmethod
    def of(cls, record: VideoRecord, status: Status, **ending: Any) -> VideoCoverage:
        """Make the line of a manifest's row."""
        return cls(CropRecord.of_video(record), status, **ending)


@dataclass(frozen=True)
class VideoCrops:
    """All that one video gave."""

    coverage: VideoCoverage
    """How it ended."""
    rows: tuple[CropRow, ...] = ()
    """Its crops, by track and frame."""


@dataclass(frozen=True)
class StoreInfo:
    """What holds for all crops of a store."""

    dataset: str
    """Name of the layout."""
    licence: str
    """Terms of the data set."""
    protocol: str | None
    """How the splits were made."""
    leaks: bool
    """Whether that protocol leaks by design."""
    leak_reason: str | None
    """Why it leaks."""
    manifest_sha256: str
    """SHA-256 over the manifest's rows and protocol, wherever the data set lies."""
    manifest_rows: int
    """Rows of the manifest."""
    settings: dict[str, Any]
    """All that the crops depend on, resolved."""
    versions: dict[str, str]
    """Versions of the program and of what it computes with."""


_OF_RECORD = frozenset(["crop_id", *(field.name for field in fields(CropRecord))])
"""Columns that come from a `CropRecord`."""
_TEXT, _KEYS = pa.string(), pa.list_(pa.string())
_PLACE = pa.list_(pa.float32())
COVERAGE_COLUMNS: pa.Schema = pa.schema(
    {
        "video_id": _TEXT,
        "label": _TEXT,
        "method": _TEXT,
        "split": _TEXT,
        "compression": _TEXT,
        "status": _TEXT,
        "reason": _TEXT,
        "notes": _TEXT,
        "crops": pa.int32(),
        "tracks_found": pa.int32(),
        "tracks_kept": pa.int32(),
        "seconds_analysed": pa.float64(),
        "work_seconds": pa.float64(),
        "target": _TEXT,
        "source": _TEXT,
        "identities": _KEYS,
        "fold": pa.int32(),
    }
)
"""Columns of `coverage.parquet`: those of a video's record, and of `VideoCoverage`."""
COLUMNS: pa.Schema = pa.schema(
    {
        "crop_id": _TEXT,
        "video_id": _TEXT,
        "dataset": _TEXT,
        "label": _TEXT,
        "method": _TEXT,
        "target": _TEXT,
        "source": _TEXT,
        "identities": _KEYS,
        "part": _TEXT,
        "split": _TEXT,
        "fold": pa.int32(),
        "compression": _TEXT,
        "protocol": _TEXT,
        "leaks": pa.bool_(),
        "kind": _TEXT,
        "track": pa.int32(),
        "track_frames": pa.int32(),
        "frame_index": pa.int64(),
        "pts_seconds": pa.float64(),
        "square": _PLACE,
        "box": _PLACE,
        "landmarks": _PLACE,
        "face_px": pa.float32(),
        "difference": pa.float32(),
        "sharpness": pa.float32(),
        "forged_face": _TEXT,
        "image_size_bytes": pa.int32(),
        "mask_size_bytes": pa.int32(),
        "image": pa.binary(),
        "mask": pa.binary(),
    }
)
_IMAGE = COLUMNS.get_field_index("image")
COLUMNS = COLUMNS.set(_IMAGE, COLUMNS.field(_IMAGE).with_nullable(False))
"""Columns of a shard: those of a crop's record, and of `CropRow`."""
PICTURES = ("image", "mask")
"""Columns with encoded pictures; all others are small."""
SMALL = tuple(name for name in COLUMNS.names if name not in PICTURES)


def say_left_out(count: int) -> str:
    """Say how many crops of fakes were left out as uncertain, see `CropRecord.forged_face`."""
    return f"{count} crops of fakes are left out: their face may not be the forged one"


def leak_in(info: ManifestInfo | StoreInfo) -> str | None:
    """Return the protocol that leaks by design, and why; None where it does not."""
    return f"{info.protocol}: {info.leak_reason}" if info.leaks else None


def to_table(rows: Sequence[CropRow]) -> pa.Table:
    """Return rows as a table."""
    return pa.table(
        {name: [_value(row, name) for row in rows] for name in COLUMNS.names}, schema=COLUMNS
    )


def coverage_fields(line: VideoCoverage) -> dict[str, Any]:
    """Return a line of coverage by the names of its columns."""
    return {name: _value(line, name) for name in COVERAGE_COLUMNS.names}


def read_coverage(known: Mapping[str, Any], dataset: str) -> VideoCoverage:
    """Make a line of coverage of values by the names of its columns.

    Args:
        known: the values; a store may be older than some of them.
        dataset: the store's.
    """
    of_record = {name: value for name, value in known.items() if name in _OF_RECORD}
    of_record["identities"] = tuple(known.get("identities", ()))
    own = {name: value for name, value in known.items() if name not in _OF_RECORD}
    return VideoCoverage(CropRecord(dataset=dataset, **of_record), **own)


def coverage_table(lines: Sequence[VideoCoverage]) -> pa.Table:
    """Return lines of coverage as a table."""
    return pa.Table.from_pylist([coverage_fields(line) for line in lines], schema=COVERAGE_COLUMNS)


def _value(row: CropRow | VideoCoverage, name: str) -> Any:
    return getattr(row.record if name in _OF_RECORD else row, name)


def manifest_sha256(manifest: Manifest) -> str:
    """Return the hash of what crops take from a manifest: its rows and its protocol.

    Sizes, hashes and the folder are left out, so that a data set may be moved and verified.
    """
    records = [
        {**asdict(record), "size_bytes": None, "sha256": None, "note": None}
        for record in manifest.records
    ]
    info = manifest.info
    ratios = info.settings.get("ratios")
    content = [records, info.dataset, info.protocol, info.leaks, info.seed, ratios]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
