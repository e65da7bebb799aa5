"""The predictions file: a row per scored crop, the only thing that figures are computed from.

A video without a crop has one row too, with its status, its reason and no logit, so that a failure
can never fall out of a figure unseen. What holds for all rows stands in the file's metadata: the
detector and its hash, the manifest's hash, the protocol and whether it leaks, the terms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from unmask.bundle.manifest import Calibration, OperatingPoint, Strict
from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.record import CropRecord
from unmask.crops.rows import Status
from unmask.system.parquet import read_errors, read_table
from unmask.system.remote_files import local_copy, write_anywhere

PREDICTIONS_VERSION = 1
"""Version of the columns and of the metadata."""
_METADATA_KEY = b"unmask-predictions"
_LISTS_AT_A_TIME = 65_536
_ROWS_AT_A_TIME = 2**18
_HINT = "make one with `unmask predict`, or from another program's scores with `unmask scores`"


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One scored crop, or a video without one.

    Of a detector over time, one clip: its first crop, with the medians of face size and sharpness.
    """

    crop: CropRecord
    """What is known of it."""
    sharpness: float | None = None
    """Variance of the Laplacian at 128 px."""
    logit: float | None = None
    """What the detector said: the higher, the likelier fake. None where the video has no crop."""
    status: Status = "done"
    """`done`, or how a video without a crop ended: `empty` or `failed`."""
    reason: str | None = None
    """Why there is no crop."""

    def __post_init__(self) -> None:
        """Check that there is a finite logit exactly where there is a crop."""
        crop = self.crop
        if crop.label not in {"real", "fake"}:
            raise ValueError(f"label must be 'real' or 'fake', got {crop.label!r}")
        if (self.logit is None) == (self.status == "done"):
            raise ValueError(f"{crop.video_id}: status {self.status} with the logit {self.logit}")
        if self.logit is not None and not math.isfinite(self.logit):
            raise ValueError(f"{crop.video_id}: the logit must be finite, got {self.logit}")


class PredictionsInfo(Strict):
    """What holds for all rows of a predictions file."""

    detector: str
    """Name of the detector or program."""
    detector_sha256: str | None = None
    """SHA-256 of the detector's `detector.json`; None for other programs."""
    model_sha256: str | None = None
    """SHA-256 of its network, which stays when it is calibrated anew."""
    calibration: Calibration | None = None
    """The detector's calibration; None: the logit is taken as it is."""
    operating_points: tuple[OperatingPoint, ...] = ()
    """The detector's thresholds by name."""
    data: str
    """What was scored."""
    licence: str
    """Terms of the data."""
    protocol: str | None = None
    """How the splits were made; None: not split."""
    leaks: bool = False
    """Whether that protocol lets footage or persons into several splits by design."""
    leak_reason: str | None = None
    """Why it leaks."""
    manifest_sha256: str | None = None
    """SHA-256 of the manifest's rows; None where there was no manifest."""
    videos_expected: int | None = None
    """Videos that were to be scored; None: those that have rows."""
    crops_left_out: int | None = None
    """Crops of fakes that were not scored, as their face may not be the forged one; None: it is not
    known whether there are such, as of everything but crop stores."""
    crops_coarse: int | None = None
    """Crops that were stored with fewer pixels than a scan would give the detector, or as JPEG, so
    that their scores differ from a scan's; None: not known, as of everything but crop stores."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """All that the scores depend on, resolved."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the program and of what it computes with."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A predictions file as columns; row i of all of them is one crop, or a video without one."""

    info: PredictionsInfo
    """What holds for all rows."""
    video_id: NDArray[np.object_]
    """`(N,)` manifest ids."""
    is_fake: NDArray[np.bool_]
    """`(N,)` labels."""
    logit: NDArray[np.float64]
    """`(N,)`, NaN where there is no crop."""
    track: NDArray[np.int64]
    """`(N,)`, 0 where there is none."""
    face_px: NDArray[np.float64]
    """`(N,)`, NaN where it was not measured."""
    sharpness: NDArray[np.float64]
    """`(N,)`, NaN where it was not measured."""
    identities: NDArray[np.object_]
    """`(N,)` tuples of keys."""
    words: dict[str, NDArray[np.object_]]
    """`(N,)` each, None where absent: dataset, method, target, source, split, compression, status,
    reason."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.logit)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Predictions({self.info.detector!r} on {self.info.data!r}, {len(self)} rows)"

    def where(self, keep: NDArray[np.bool_]) -> Predictions:
        """Return the rows for which `keep` (N,) holds."""
        columns = {
            f.name: getattr(self, f.name)[keep]
            for f in fields(self)
            if f.name not in {"info", "words"}
        }
        words = {name: column[keep] for name, column in self.words.items()}
        return Predictions(info=self.info, words=words, **columns)


def pool(parts: Sequence[Predictions]) -> Predictions:
    """Join predictions of one detector on different videos, each part a source of its own.

    The data set's name of each row becomes that of its part (`info.data`), so that sources can be
    told apart; the rest of `info` is the first part's.

    Args:
        parts: at least one.

    Raises:
        ManifestError: they are of different networks, or share a video.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if len({part.info.model_sha256 for part in parts}) > 1:
        raise ManifestError(
            "these predictions are of different networks, whose scores have no common scale",
            hint="score all data with one detector",
        )
    check_disjoint(parts)
    if len({part.info.data for part in parts}) < len(parts):
        raise ManifestError(
            "two of the files are of data of one name, so they are no two sources",
            hint="rename the files of crops or the data sets' folders, and predict again",
        )
    names = [np.full(len(part), part.info.data, dtype=object) for part in parts]
    together = concatenate(parts, join_info([part.info for part in parts]))
    return replace(together, words={**together.words, "dataset": np.concatenate(names)})


def check_disjoint(parts: Sequence[Predictions]) -> None:
    """Refuse predictions that share a video.

    Raises:
        ManifestError: they do.
    """
    counted = Counter(video for part in parts for video in set(part.video_id))
    if shared := [video for video, times in counted.items() if times > 1]:
        raise ManifestError(
            f"{len(shared)} videos stand in several of the files, such as {min(shared)!r}",
            hint="give each video once",
        )


def concatenate(parts: Sequence[Predictions], info: PredictionsInfo) -> Predictions:
    """Return the rows of all parts under one info."""
    words = {word: np.concatenate([part.words[word] for part in parts]) for word in WORDS}
    columns = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Predictions)
        if f.name not in {"info", "words"}
    }
    return Predictions(info=info, words=words, **columns)


def join_info(infos: Sequence[PredictionsInfo]) -> PredictionsInfo:
    """Return what holds for several sources of one detector together."""
    return infos[0].model_copy(
        update={
            **join_terms([info.model_dump() for info in infos]),
            "manifest_sha256": None,
            "videos_expected": None,
            "crops_left_out": add_known(each.crops_left_out for each in infos),
            "crops_coarse": add_known(each.crops_coarse for each in infos),
        }
    )


def join_terms(described: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return name, terms, protocol and leaks of several sources together.

    Args:
        described: fields of `PredictionsInfo` of each.
    """
    reasons = dict.fromkeys(each.get("leak_reason") for each in described)
    protocols = dict.fromkeys(each.get("protocol") for each in described)
    return {
        "data": " + ".join(dict.fromkeys(each["data"] for each in described)),
        "licence": "; ".join(dict.fromkeys(each["licence"] for each in described)),
        "protocol": " + ".join(p or "not split" for p in protocols) if any(protocols) else None,
        "leaks": any(each.get("leaks", False) for each in described),
        "leak_reason": "; ".join(reason for reason in reasons if reason) or None,
    }


def add_known(counts: Iterable[int | None]) -> int | None:
    """Return the sum of the counts that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


WORDS = ("dataset", "method", "target", "source", "split", "compression", "status", "reason")
"""Columns of text beside the id and the label."""
_TYPES: dict[str, pa.DataType] = {
    "identities": pa.list_(pa.string()),
    "track": pa.int32(),
    "frame_index": pa.int64(),
    "pts_seconds": pa.float64(),
    "face_px": pa.float32(),
    "sharpness": pa.float32(),
    "logit": pa.float64(),
}
_OF_CROP = (
    "video_id", "dataset", "label", "method", "target", "source", "identities", "split",
    "compression", "track", "frame_index", "pts_seconds", "face_px",
)  # fmt: skip
"""What the file keeps of a crop's record."""
_OF_SCORE = ("sharpness", "logit", "status", "reason")
COLUMNS: pa.Schema = pa.schema(
    [(name, _TYPES.get(name, pa.string())) for name in (*_OF_CROP, *_OF_SCORE)]
)
"""Columns of the Parquet file, in this order."""
_REPEATED = tuple(f.name for f in COLUMNS if pa.types.is_string(f.type))
_CODED: pa.Schema = pa.schema(
    [
        (f.name, pa.dictionary(pa.int32(), f.type) if f.name in _REPEATED else f.type)
        for f in COLUMNS
    ]
)


def sort_key(row: PredictionRow) -> tuple[str, int, int]:
    """Return the place of a row in the order of a table: by video, track and frame."""
    return (row.crop.video_id, row.crop.track or 0, row.crop.frame_index or 0)


def to_table(rows: Sequence[PredictionRow]) -> pa.Table:
    """Return rows as a table, in order of video, track and frame."""
    ordered = sorted(rows, key=sort_key)
    columns = {
        **{name: [getattr(row.crop, name) for row in ordered] for name in _OF_CROP},
        **{name: [getattr(row, name) for row in ordered] for name in _OF_SCORE},
    }
    return pa.table(columns, schema=COLUMNS)


def merge_tables(paths: Sequence[Path], *, hint: str) -> pa.Table:
    """Return the rows of several files as one table, in order of video, track and frame.

    Texts are in dictionaries, as millions of rows share them.

    Args:
        paths: of tables like those of `to_table`.
        hint: what to do about one that is damaged.

    Raises:
        ManifestError: one is damaged.
    """
    tables = [read_table(path, hint=hint, repeated=_REPEATED) for path in paths]
    together = pa.concat_tables([table.cast(_CODED) for table in tables]).unify_dictionaries()
    videos = together["video_id"].combine_chunks()
    ranks = pc.rank(videos.dictionary, tiebreaker="dense").to_numpy()[videos.indices.to_numpy()]
    last = np.iinfo(np.int64).max
    numbers = (
        together[name].cast(pa.int64()).fill_null(last).to_numpy()
        for name in ("frame_index", "track")
    )
    return together.take(pa.array(np.lexsort((*numbers, ranks))))


def write_predictions(info: PredictionsInfo, table: pa.Table, path: str | Path) -> None:
    """Write a predictions file atomically: it is there whole or not at all.

    Args:
        info: what holds for all rows.
        table: of `to_table` or `merge_tables`.
        path: where to, or an address.
    """
    described = f'{{"version": {PREDICTIONS_VERSION}, "info": {info.model_dump_json()}}}'
    schema = COLUMNS.with_metadata({_METADATA_KEY: described})

    def write(partial: Path) -> None:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for first in range(0, max(1, len(table)), _ROWS_AT_A_TIME):
                writer.write_table(table.slice(first, _ROWS_AT_A_TIME).cast(schema))

    write_anywhere(Path(path), write)


def read_predictions(path: str | Path) -> Predictions:
    """Read a predictions file, or one at an address.

    Raises:
        InputNotFound: no such file.
        ManifestError: not a predictions file, damaged, or of another version.
    """
    place = local_copy(path)
    if not place.is_file():
        raise InputNotFound(f"no predictions file {str(path)!r}", hint=_HINT)
    table = read_table(place, hint=_HINT, repeated=_REPEATED)
    info = _info(table, path)
    with read_errors(path, hint=_HINT):  # columns of other types
        return from_table(info, table, name=str(path))


def _info(table: pa.Table, path: str | Path) -> PredictionsInfo:
    class Described(Strict):
        version: Literal[1]
        info: PredictionsInfo

    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None or not set(COLUMNS.names) <= set(table.column_names):
        raise ManifestError(f"{str(path)!r} is a table, but no predictions file", hint=_HINT)
    try:
        return Described.model_validate_json(raw).info
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ManifestError(f"{str(path)!r}: {where}: {first['msg']}", hint=_HINT) from error


def from_table(info: PredictionsInfo, table: pa.Table, *, name: str) -> Predictions:
    """Return a table of predictions as columns, checked.

    Args:
        info: what holds for all rows.
        table: with `COLUMNS`.
        name: what to call it in a message.

    Raises:
        ManifestError: it has no rows, or they contradict themselves.
    """
    words = {word: _objects(table, word) for word in WORDS}
    label = _objects(table, "label")
    logit = _floats(table, "logit")
    done = words["status"] == "done"
    if not len(table):
        raise ManifestError(f"{name!r} has no rows", hint=_HINT)
    if bad := sorted({str(value) for value in label} - {"real", "fake"}):
        raise ManifestError(f"{name!r}: the label {bad[0]!r} is neither real nor fake", hint=_HINT)
    if not np.array_equal(np.isfinite(logit), done):
        raise ManifestError(f"{name!r}: a logit is missing, or stands at a failure", hint=_HINT)
    return Predictions(
        info=info,
        video_id=_objects(table, "video_id"),
        is_fake=np.asarray(label == "fake", dtype=np.bool_),
        logit=logit,
        track=table.column("track").fill_null(0).to_numpy().astype(np.int64),
        face_px=_floats(table, "face_px"),
        sharpness=_floats(table, "sharpness"),
        identities=_tuples(table.column("identities")),
        words=words,
    )


def _objects(table: pa.Table, name: str) -> NDArray[np.object_]:
    """Return a column of texts, each there once however many rows share it."""
    column = table.column(name).dictionary_encode().unify_dictionaries().combine_chunks()
    values = np.array([*column.dictionary.to_pylist(), None], dtype=object)
    return np.asarray(values[column.indices.fill_null(len(values) - 1).to_numpy()], dtype=object)


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(table.column(name).cast(pa.float64()).to_numpy(), dtype=np.float64)


def _tuples(lists: pa.ChunkedArray) -> NDArray[np.object_]:
    """Return a column of lists of texts as tuples, each there once."""
    column = np.empty(len(lists), dtype=object)
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for start in range(0, len(lists), _LISTS_AT_A_TIME):
        for place, each in enumerate(lists.slice(start, _LISTS_AT_A_TIME).to_pylist(), start):
            value = tuple(each or ())
            column[place] = known.setdefault(value, value)
    return column
