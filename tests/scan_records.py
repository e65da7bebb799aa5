"""Made-up scan results, small: for what stores and lists them."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from unmask.core.media import VideoInfo
from unmask.core.scan_record import (
    SCHEMA_VERSION,
    Coverage,
    Curve,
    DetectorInfo,
    KeyFrame,
    ScanRecord,
    TrackResult,
)
from unmask.core.verdicts import Verdict, Word
from unmask.results.rows import FileRow, Judged, Source, file_row

JUDGED = Judged("d" * 64, "5" * 64)
"""What the results are judged with."""


def scan_record(path: str, probability: float | None = 0.5) -> ScanRecord:
    """Make the result of a file with one face; its content is its name's."""
    word: Word = "cannot judge"
    if probability is not None:
        word = "substantial evidence" if probability > 0.8 else "little evidence"
    reason = None if probability is not None else "the face is smaller than 48 px"
    interval = None if probability is None else (probability * 0.9, min(1.0, probability * 1.1))
    verdict = Verdict(word, probability, interval, 0.1, 2, reason)
    keys = tuple(
        KeyFrame(n, n / 30, (1.0, 2.0, 3.5, 4.0), ((0.0, 0.0),) * 5, 2.5, None, logit=0.25)
        for n in (3, 7)
    )
    track = TrackResult(1, 0.0, 1.5, 45, 160.0, keys, verdict, Curve((0.0,), (None,), (0.0,)))
    return ScanRecord(
        schema_version=SCHEMA_VERSION,
        video=video_info(path),
        verdict=verdict,
        tracks=(track,),
        coverage=Coverage(True, 1.5, None, 45, 45, 0, 1, 1, ()),
        warnings=("a warning",),
        detector=DetectorInfo("toy", "d" * 64, "nothing", ()),
        settings={"seed": 0},
        versions={"unmask": "1"},
        command="unmask scan",
    )


def video_info(path: str) -> VideoInfo:
    """Make what a file says of itself."""
    return VideoInfo(
        path=path,
        sha256=hashlib.sha256(path.encode("utf-8", "backslashreplace")).hexdigest(),
        size_bytes=100,
        kind="video",
        container="mp4",
        codec="h264",
        pixel_format="yuv420p",
        bit_depth=8,
        width_px=640,
        height_px=360,
        rotation_degrees=0,
        pixel_aspect=1.0,
        transfer="sdr",
        fps_from_header=30.0,
        duration_seconds=math.pi,
        frames_from_header=None,
        streams=(),
        metadata={},
    )


def stored_row(record: ScanRecord) -> FileRow:
    """Return the row of a made-up result."""
    path = record.video.path
    return file_row(record, Source(path, str(Path("/corpus") / path), 100, 1), JUDGED)
