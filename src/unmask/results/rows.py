"""The rows that a result store, its CSV and its Parquet files are made of.

One definition for all of them: the fields here are the columns there. `None` is an empty field and
means not measured, as everywhere. Texts are valid Unicode: bytes of a file's name that are no UTF-8
stand as backslash escapes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from unmask.core import errors
from unmask.core.errors import UnmaskError
from unmask.system.remote_files import is_remote, size_and_time

if TYPE_CHECKING:  # heavy ones
    import pyarrow as pa

    from unmask.core.scan_record import ScanRecord, TrackResult
    from unmask.core.verdicts import Verdict

Status = Literal["analysed", "failed"]
"""Whether there is a result of a file, or why there is none."""
FOUND = ("some evidence", "substantial evidence")
"""Words by which a video was found to speak for manipulation."""


@dataclass(frozen=True)
class Judged:
    """What a result is judged with: two results of one content with equal ones are the same."""

    detector_sha256: str
    """SHA-256 of the detector."""
    settings_sha256: str
    """SHA-256 of the settings, see `settings_hash`."""

    def result_id(self, content: str) -> str:
        """Return the name of a result: a SHA-256 over content, detector and settings.

        Args:
            content: SHA-256 of a file's bytes, or another text that tells it from all others.
        """
        text = "\n".join((content, self.detector_sha256, self.settings_sha256))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """A file as it was found: where, how large and how old."""

    path: str
    """As given."""
    absolute_path: str
    """From the root of its file system."""
    size_bytes: int | None
    """Size; None where it could not be looked at."""
    mtime_ns: int | None
    """Time of its last change, nanoseconds since 1970; None likewise."""

    @classmethod
    def at(cls, path: str) -> Source:
        """Look at a file."""
        if is_remote(path):
            return cls(path, path, *size_and_time(path))
        absolute = unicode_text(os.path.abspath(path))  # noqa: PTH100 - keeps links as given
        try:
            result = os.stat(path)  # noqa: PTH116 - no path at all may be named, too
        except (OSError, ValueError):
            return cls(unicode_text(path), absolute, None, None)
        return cls(unicode_text(path), absolute, result.st_size, result.st_mtime_ns)


@dataclass(frozen=True)
class FileRow:
    """One file's content and what a scan with one detector and one set of settings said of it."""

    result_id: str
    """SHA-256 over content, detector and settings: unique in a store."""
    sha256: str | None
    """SHA-256 of the file's bytes; None where they could not be read."""
    path: str
    """Path as given when it was scanned."""
    absolute_path: str
    """The same from the root of the file system."""
    size_bytes: int | None
    """Size of the file."""
    mtime_ns: int | None
    """Time of its last change, nanoseconds since 1970."""
    status: Status
    """Whether it was analysed."""
    word: str | None
    """The verdict's word; None for a failure."""
    probability: float | None
    """Calibrated P(fake) in [0, 1]."""
    interval_low: float | None
    """Lower end of its 95 % range."""
    interval_high: float | None
    """Upper end."""
    likelihood_log10: float | None
    """Log10 of the likelihood ratio."""
    likelihood_words: str | None
    """The same in words."""
    finding: bool
    """Whether the video or one of its faces was found to speak for manipulation."""
    reason: str | None
    """Why it cannot be judged, or what limits the judgement."""
    out_of_range: str | None
    """In what it is unlike the calibration data."""
    complete: bool | None
    """Whether all of the file was analysed."""
    not_analysed: tuple[str, ...]
    """What was left out, a reason each."""
    warnings: tuple[str, ...]
    """What to know before relying on this."""
    seconds_analysed: float | None
    """Length of the part that was decoded."""
    frames_sampled: int | None
    """Frames looked at."""
    tracks_found: int | None
    """Faces followed."""
    tracks_judged: int | None
    """Faces that were judged."""
    kind: str | None
    """`video` or `image`."""
    container: str | None
    """Container format."""
    codec: str | None
    """Codec of the picture stream."""
    width_px: int | None
    """Width as shown."""
    height_px: int | None
    """Height as shown."""
    duration_seconds: float | None
    """Duration, as the header has it."""
    detector: str | None
    """Name of the detector."""
    detector_sha256: str
    """Its SHA-256."""
    settings_sha256: str
    """SHA-256 of the settings."""
    unmask_version: str
    """Version of the program."""
    analysed_at: str
    """When the result was stored, UTC, ISO 8601."""
    error_kind: str | None
    """Kind of failure: the name of the exception, such as `NotMedia`."""
    error: str | None
    """Why there is no result, for a failure."""
    hint: str | None
    """The next step, for a failure."""


@dataclass(frozen=True)
class TrackRow:
    """One face over time."""

    result_id: str
    """The file's row."""
    path: str
    """Path as given."""
    track: int
    """Number of the face in its video."""
    start_seconds: float
    """Time of its first sampled frame."""
    end_seconds: float
    """Time of its last sampled frame."""
    frames_sampled: int
    """Sampled frames that it spans."""
    median_face_px: float
    """Median of the shorter side of its boxes."""
    word: str
    """The face's word."""
    probability: float | None
    """Calibrated P(fake) in [0, 1]."""
    interval_low: float | None
    """Lower end of its 95 % range."""
    interval_high: float | None
    """Upper end."""
    logit: float | None
    """Mean logit over the key frames used."""
    frames_used: int
    """Key frames behind the number."""
    likelihood_log10: float | None
    """Log10 of the likelihood ratio."""
    reason: str | None
    """Why it cannot be judged, or what limits the judgement."""


@dataclass(frozen=True)
class KeyFrameRow:
    """One frame of a face that was chosen."""

    result_id: str
    """The file's row."""
    path: str
    """Path as given."""
    track: int
    """Number of the face in its video."""
    frame_index: int
    """Position among all decoded frames."""
    pts_seconds: float
    """Time stamp."""
    x0: float
    """Left edge of the face's box, pixels."""
    y0: float
    """Upper edge."""
    x1: float
    """Right edge, half-open."""
    y1: float
    """Lower edge, half-open."""
    face_px: float
    """Shorter side of the box."""
    sharpness: float | None
    """Variance of the Laplacian of the crop."""
    logit: float | None
    """The detector's output."""
    probability: float | None
    """Calibrated P(fake) of this crop alone."""
    unusable: str | None
    """Why it was not used for a verdict."""


Row = FileRow | TrackRow | KeyFrameRow


@dataclass(frozen=True)
class Outcome:
    """What a run has to know of a file that is finished, now or in an earlier run."""

    failed: bool
    """Whether there is no result."""
    finding: bool
    """Whether something was found."""
    complete: bool
    """Whether all of the file was analysed."""
    probability: float | None
    """Calibrated P(fake) of the file."""
    version: str
    """Version of the program that looked at it."""
    error_kind: str | None
    """Kind of failure."""

    @classmethod
    def of_record(cls, record: ScanRecord) -> Outcome:
        """Return that of a result."""
        return cls(
            failed=False,
            finding=has_finding(record),
            complete=record.coverage.complete,
            probability=record.verdict.probability,
            version=record.versions["unmask"],
            error_kind=None,
        )

    @classmethod
    def of_error(cls, kind: str, version: str = "") -> Outcome:
        """Return that of a file of which there is no result.

        Args:
            kind: name of the exception.
            version: of the program that raised it.
        """
        return cls(
            failed=True,
            finding=False,
            complete=False,
            probability=None,
            version=version,
            error_kind=kind,
        )

    @property
    def bad_input(self) -> bool:
        """Whether the file cannot be used, whoever reads it."""
        kind = getattr(errors, self.error_kind or "", None)
        return isinstance(kind, type) and issubclass(kind, errors.InputError)


def settings_hash(settings: dict[str, Any], *, stress: bool) -> str:
    """Return the SHA-256 of a scan's settings.

    Args:
        settings: as `provenance.settings_table` gives them, limits included.
        stress: whether each file was judged under distortions too.
    """
    text = json.dumps({**settings, "stress": stress}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def unicode_text(text: str) -> str:
    """Return a text in which bytes of a name that are no UTF-8 are backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def file_row(record: ScanRecord, source: Source, judged: Judged) -> FileRow:
    """Return the row of a file that was analysed."""
    video, verdict, seen = record.video, record.verdict, record.coverage
    low, high = verdict.interval or (None, None)
    likelihood = verdict.likelihood
    return FileRow(
        result_id=judged.result_id(video.sha256),
        sha256=video.sha256,
        path=source.path,
        absolute_path=source.absolute_path,
        size_bytes=source.size_bytes,
        mtime_ns=source.mtime_ns,
        status="analysed",
        word=verdict.word,
        probability=verdict.probability,
        interval_low=low,
        interval_high=high,
        likelihood_log10=likelihood.log10 if likelihood else None,
        likelihood_words=likelihood.words if likelihood else None,
        finding=has_finding(record),
        reason=_text(verdict.reason),
        out_of_range=_text(verdict.out_of_range),
        complete=seen.complete,
        not_analysed=tuple(map(unicode_text, seen.not_analysed)),
        warnings=tuple(map(unicode_text, record.warnings)),
        seconds_analysed=seen.seconds_analysed,
        frames_sampled=seen.frames_sampled,
        tracks_found=seen.tracks_found,
        tracks_judged=seen.tracks_judged,
        kind=video.kind,
        container=video.container,
        codec=video.codec,
        width_px=video.width_px,
        height_px=video.height_px,
        duration_seconds=video.duration_seconds,
        detector=record.detector.name,
        detector_sha256=judged.detector_sha256,
        settings_sha256=judged.settings_sha256,
        unmask_version=record.versions["unmask"],
        analysed_at=_now(),
        error_kind=None,
        error=None,
        hint=None,
    )


def failed_row(
    error: UnmaskError, source: Source, judged: Judged, *, sha256: str | None, version: str
) -> FileRow:
    """Return the row of a file of which there is no result.

    Args:
        error: why there is none.
        source: the file.
        judged: what it was to be judged with.
        sha256: of its bytes; None where they cannot be read.
        version: of the program.
    """
    empty: dict[str, Any] = {each.name: None for each in fields(FileRow)}
    values: dict[str, Any] = {
        "result_id": judged.result_id(sha256 or f"unread {source.absolute_path}"),
        "sha256": sha256,
        **asdict(source),
        **asdict(judged),
        "status": "failed",
        "finding": False,
        "not_analysed": (),
        "warnings": (),
        "unmask_version": version,
        "analysed_at": _now(),
        "error_kind": error.kind,
        "error": unicode_text(error.message),
        "hint": unicode_text(error.hint),
    }
    return FileRow(**empty | values)


def track_rows(record: ScanRecord, row: FileRow) -> list[TrackRow]:
    """Return a row for each face of a file."""
    return [_track_row(track, row) for track in record.tracks]


def key_frame_rows(record: ScanRecord, row: FileRow) -> list[KeyFrameRow]:
    """Return a row for each key frame of a file."""
    return [
        KeyFrameRow(
            row.result_id,
            row.path,
            track.id,
            key.frame_index,
            key.pts_seconds,
            *key.box,
            key.face_px,
            key.sharpness,
            key.logit,
            key.probability,
            _text(key.unusable),
        )
        for track in record.tracks
        for key in track.key_frames
    ]


def has_finding(record: ScanRecord) -> bool:
    """Tell whether a video or one of its faces was found to speak for manipulation.

    Among many faces a strong one may be too little for the video's own word; it is still told.
    """
    strong = any(track.verdict.word == "substantial evidence" for track in record.tracks)
    return strong or record.verdict.word in FOUND


def schema_of(kind: type[Row]) -> pa.Schema:
    """Return the Parquet columns of a kind of rows."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    hints = get_type_hints(kind)

    def column(name: str) -> pa.Field:
        options = list(getattr(hints[name], "__args__", (hints[name],)))
        optional = type(None) in options
        if hints[name] == tuple[str, ...]:
            return pa.field(name, pa.list_(pa.string()), nullable=False)
        return pa.field(name, types.get(options[0], pa.string()), nullable=optional)

    return pa.schema([column(each.name) for each in fields(kind)])


def _track_row(track: TrackResult, row: FileRow) -> TrackRow:
    verdict: Verdict = track.verdict
    low, high = verdict.interval or (None, None)
    return TrackRow(
        row.result_id,
        row.path,
        track.id,
        track.start_seconds,
        track.end_seconds,
        track.frames_sampled,
        track.median_face_px,
        verdict.word,
        verdict.probability,
        low,
        high,
        verdict.logit,
        verdict.frames_used,
        verdict.likelihood.log10 if verdict.likelihood else None,
        _text(verdict.reason),
    )


def _text(text: str | None) -> str | None:
    return None if text is None else unicode_text(text)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
