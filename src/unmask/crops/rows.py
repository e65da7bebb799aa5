"""What a crop store holds: a row per crop, a line of coverage per video, and what holds for all.

The values that cross from the worker processes to the store, and their form as Arrow tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pyarrow as pa

from unmask.core.face import Box
from unmask.datasets.manifest import Kind, Label, Manifest, ManifestInfo, Split, VideoRecord

ForgedFace = Literal["mask", "only-face", "largest", "uncertain"]
Status = Literal["done", "empty", "failed"]

STORE_VERSION = 1
"""Version of the columns and of the metadata."""
METADATA_KEY = b"unmask-crops"


@dataclass(frozen=True, slots=True)
class CropRow:
    """One face crop; the fields are the columns of a shard, in this order."""

    crop_id: str
    """`VIDEO#tTRACKfFRAME`, unique in a store."""
    video_id: str
    """The manifest's id: path of the video below the data set's folder."""
    dataset: str
    """Name of the layout."""
    label: Label
    """`real` or `fake`."""
    method: str | None
    """Manipulation method; None for reals."""
    target: str | None
    """Footage key of the clip that was changed."""
    source: str | None
    """Footage key of the clip that was put in."""
    identities: tuple[str, ...]
    """Keys of the persons involved."""
    part: str | None
    """Part of the data set's download."""
    split: Split | None
    """Split; under `paper-frame-split` drawn for this crop alone."""
    fold: int | None
    """Fold of a k-fold protocol."""
    compression: str | None
    """Compression version of the data set."""
    protocol: str | None
    """How the splits were made."""
    leaks: bool
    """Whether that protocol leaks by design."""
    kind: Kind
    """What it was cut from."""
    track: int
    """Number of the face track in its video, from 1."""
    track_frames: int
    """Length of that track in sampled frames: things taken for a face are seen briefly."""
    frame_index: int
    """Position among all decoded frames, or among a folder's pictures, from 0."""
    pts_seconds: float | None
    """Time stamp; None where there is none."""
    square: Box
    """What was cut, XYXY pixels of the frame; it may reach over the edge, which is mirrored."""
    box: Box | None
    """Face box, XYXY pixels of the frame; None where no face was searched."""
    landmarks: tuple[float, ...] | None
    """Five points x, y in the frame: eyes, nose, corners of the mouth, left ones first."""
    face_px: float | None
    """Shorter side of the face box, pixels of the frame."""
    difference: float | None
    """Smoothed inter-frame difference, grey levels."""
    sharpness: float
    """Variance of the Laplacian of the crop's luma at 128 px."""
    forged_face: ForgedFace | None
    """Why this face is taken for the forged one; None for reals."""
    image_size_bytes: int
    """Length of `image`."""
    mask_size_bytes: int | None
    """Length of `mask`."""
    image: bytes
    """The crop, JPEG or PNG."""
    mask: bytes | None
    """The manipulation mask under the crop, PNG of one channel, 255 is manipulated."""


@dataclass(frozen=True, slots=True)
class VideoCoverage:
    """How a video ended."""

    video_id: str
    """The manifest's id."""
    label: Label
    """`real` or `fake`."""
    method: str | None
    """Manipulation method."""
    split: Split | None
    """The manifest's split."""
    compression: str | None
    """Compression version."""
    status: Status
    """`done`, `empty` (no face was found) or `failed`."""
    reason: str | None
    """Why there is no crop; None where there are some."""
    notes: str | None
    """What was left out of a video that is done, separated by `; `."""
    crops: int
    """Crops stored."""
    tracks_found: int
    """Faces followed."""
    tracks_kept: int
    """Faces that crops were cut from."""
    seconds_analysed: float | None
    """Length of the footage that was decoded; None for pictures and failures."""
    work_seconds: float
    """Time it took."""
    target: str | None = None
    """Footage key of the clip that was changed; None too in stores made before this was kept."""
    source: str | None = None
    """Footage key of the clip that was put in; likewise."""
    identities: tuple[str, ...] = ()
    """Keys of the persons involved; likewise."""
    fold: int | None = None
    """Fold of a k-fold protocol; likewise."""

    @classmethod
    def of(cls, record: VideoRecord, status: Status, **found: Any) -> VideoCoverage:
        """Make the line of a manifest's row; what is not given was not found."""
        blank: dict[str, Any] = {
            "reason": None,
            "notes": None,
            "crops": 0,
            "tracks_found": 0,
            "tracks_kept": 0,
            "seconds_analysed": None,
            "work_seconds": 0.0,
            "target": record.target,
            "source": record.source,
            "identities": record.identities,
            "fold": record.fold,
        }
        return cls(
            record.id,
            record.label,
            record.method,
            record.split,
            record.compression,
            status,
            **{**blank, **found},
        )


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


COVERAGE_COLUMNS: pa.Schema = pa.schema(
    [
        (
            column.name,
            {
                "crops": pa.int32(),
                "tracks_found": pa.int32(),
                "tracks_kept": pa.int32(),
                "seconds_analysed": pa.float64(),
                "work_seconds": pa.float64(),
                "identities": pa.list_(pa.string()),
                "fold": pa.int32(),
            }.get(column.name, pa.string()),
        )
        for column in fields(VideoCoverage)
    ]
)
"""Columns of `coverage.parquet`."""

_TYPES: dict[str, pa.DataType] = {
    "identities": pa.list_(pa.string()),
    "fold": pa.int32(),
    "leaks": pa.bool_(),
    "track": pa.int32(),
    "track_frames": pa.int32(),
    "frame_index": pa.int64(),
    "pts_seconds": pa.float64(),
    "square": pa.list_(pa.float32()),
    "box": pa.list_(pa.float32()),
    "landmarks": pa.list_(pa.float32()),
    "face_px": pa.float32(),
    "difference": pa.float32(),
    "sharpness": pa.float32(),
    "image_size_bytes": pa.int32(),
    "mask_size_bytes": pa.int32(),
    "image": pa.binary(),
    "mask": pa.binary(),
}
COLUMNS: pa.Schema = pa.schema(
    [
        pa.field(column.name, _TYPES.get(column.name, pa.string()), nullable=column.name != "image")
        for column in fields(CropRow)
    ]
)
"""Columns of a shard, in the order of `CropRow`."""
PICTURES = ("image", "mask")
"""Columns with encoded pictures; all others are small."""
SMALL = tuple(name for name in COLUMNS.names if name not in PICTURES)


def say_left_out(count: int) -> str:
    """Say how many crops of fakes were left out as uncertain, see `CropRow.forged_face`."""
    return f"{count} crops of fakes are left out: their face may not be the forged one"


def leak_in(info: ManifestInfo | StoreInfo) -> str | None:
    """Return the protocol that leaks by design, and why; None where it does not."""
    return f"{info.protocol}: {info.leak_reason}" if info.leaks else None


def to_table(rows: Sequence[CropRow]) -> pa.Table:
    """Return rows as a table."""
    return pa.table(
        {name: [getattr(row, name) for row in rows] for name in COLUMNS.names}, schema=COLUMNS
    )


def coverage_table(lines: Sequence[VideoCoverage]) -> pa.Table:
    """Return lines of coverage as a table."""
    return pa.Table.from_pylist([asdict(line) for line in lines], schema=COVERAGE_COLUMNS)


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
