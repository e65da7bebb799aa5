"""Following faces over time: detections a few times a second, linked and interpolated.

Frames come one by one from the first pass over a video. Faces are detected at intervals and after
each cut; a detection is linked to the track whose box it overlaps best, boxes in between are
interpolated, and the difference of each face crop to the one before is measured on the way. Only
the frames since the last detections are held, so memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.faces.crops import cut_square, square_around
from unmask.faces.detector import FaceDetector
from unmask.stages import stage
from unmask.values import Box, Face, FaceTrack

_MIN_OVERLAP = 0.1
"""Least IoU of a detection with a track's box, where it was or where it should be by now: heads
turn and stop within half a second, so either may be the better guess."""
_MAX_MISSES = 1
"""Detections in a row that a face may be missed in before its track ends."""
_SEARCHES = ("all faces", "known faces", "large faces", "known faces")
"""What detections look for, in turn: faces that come in are seen within a second if they are large,
within two if they are small. A known face that is missed makes any of them look for all faces."""
_LARGE_FACE_PX = 48
"""Least size of a large face, reduced pixels."""
_CUT_LEVELS = 20.0
"""Least mean luma change of a cut, grey levels."""
_CUT_RATIO = 4.0
"""A cut changes the picture this many times as much as frames before it did."""
_CUT_MEMORY = 24
_DIFFERENCE_SIDE_PX = 48
_GEOMETRY = 14
"""Numbers per frame and track: box and five points."""


Guesses = tuple[NDArray[np.float64], ...]
"""Boxes where a track's face may be, XYXY."""


class SampledFrame(Protocol):
    """What a tracker needs of a frame."""

    luma: NDArray[np.uint8]
    """`(h, w)` reduced luma."""
    scale: float
    """Reduced pixels per original pixel."""

    @property
    def index(self) -> int:
        """Position among decoded frames."""

    @property
    def pts_seconds(self) -> float:
        """Time stamp."""

    def rgb(self) -> NDArray[np.uint8]:
        """Return the reduced picture in colour."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame held until the next detection."""

    index: int
    pts_seconds: float
    luma: NDArray[np.uint8]


@dataclass(eq=False)
class _OpenTrack:
    """A track that may go on."""

    anchor: NDArray[np.float64]
    """Geometry at the latest detection, reduced pixels."""
    anchor_seconds: float
    velocity: NDArray[np.float64]
    """Change of the box per second."""
    confidence: float
    """Best score of a detection."""
    misses: int = 0
    previous: NDArray[np.int16] | None = None
    """Luma crop of the latest placed frame."""
    placed_until: int = -1
    """Index of the latest placed frame."""
    indices: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    geometry: list[NDArray[np.float32]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    def predicted(self, seconds: float) -> NDArray[np.float64]:
        """Return the box expected at a time."""
        return self.anchor[:4] + self.velocity * (seconds - self.anchor_seconds)


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the intersection over union of two XYXY boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / union if union > 0 else 0.0


def link(tracks: Sequence[Guesses], detected: list[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """Pair tracks with detections, the best overlap first, each at most once.

    Args:
        tracks: for each track the boxes where it may be.
        detected: boxes of the faces found.
    """
    pairs = [
        (max(overlap(box, found) for box in guesses), t, d)
        for t, guesses in enumerate(tracks)
        for d, found in enumerate(detected)
    ]
    linked: list[tuple[int, int]] = []
    for score, t, d in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if score >= _MIN_OVERLAP and all(t != a and d != b for a, b in linked):
            linked.append((t, d))
    return linked


class Tracker:
    """Turns sampled frames into face tracks.

    Args:
        detector: finds the faces.
        every_seconds: time between two detections.
    """

    def __init__(self, detector: FaceDetector, *, every_seconds: float) -> None:
        self._detector = detector
        self._every = every_seconds
        self._open: list[_OpenTrack] = []
        self._closed: list[_OpenTrack] = []
        self._held: deque[_Seen] = deque()
        self._changes: deque[float] = deque(maxlen=_CUT_MEMORY)
        self._last_detection: float | None = None
        self._detections = 0
        self._scale = 1.0
        self.cuts: list[float] = []
        """Times of the cuts found, seconds."""

    @stage("tracking")
    def add(self, frame: SampledFrame) -> None:
        """Take the next sampled frame."""
        self._scale = frame.scale
        seen = _Seen(frame.index, frame.pts_seconds, frame.luma)
        cut = self._is_cut(seen)
        if cut:
            self.cuts.append(seen.pts_seconds)
            self._close_all()
        self._held.append(seen)
        due = (
            self._last_detection is None
            or seen.pts_seconds - self._last_detection >= self._every - 1e-6
        )
        if cut or due:
            self._detect(frame, everywhere=cut)
            self._last_detection = seen.pts_seconds

    def finish(self) -> list[FaceTrack]:
        """End all tracks and return them in order of appearance."""
        self._close_all()
        ordered = sorted(self._closed, key=lambda t: (t.indices[0], t.geometry[0][0]))
        return [self._track(number, each) for number, each in enumerate(ordered, start=1)]

    def _is_cut(self, seen: _Seen) -> bool:
        if not self._held:
            return False
        before = self._held[-1].luma[::4, ::4].astype(np.int16)
        change = float(np.abs(seen.luma[::4, ::4] - before).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        self._changes.append(change)
        return change > max(_CUT_LEVELS, _CUT_RATIO * usual)

    def _detect(self, frame: SampledFrame, *, everywhere: bool) -> None:
        picture = frame.rgb()
        faces = [] if everywhere else self._quick_search(picture, frame.pts_seconds)
        if not faces or len(faces) < len(self._open):
            faces = self._detector.detect(picture)
        self._detections += 1
        found = [np.array([*f.box, *np.ravel(f.landmarks)], dtype=np.float64) for f in faces]
        guesses = [(t.predicted(frame.pts_seconds), t.anchor[:4]) for t in self._open]
        pairs = link(guesses, [f[:4] for f in found])
        for t, d in pairs:
            self._extend(self._open[t], found[d], frame.pts_seconds)
            self._open[t].confidence = max(self._open[t].confidence, faces[d].confidence)
        linked_tracks = {t for t, _ in pairs}
        for number, track in enumerate(self._open):
            track.misses = 0 if number in linked_tracks else track.misses + 1
        self._closed += [t for t in self._open if t.misses > _MAX_MISSES]
        self._open = [t for t in self._open if t.misses <= _MAX_MISSES]
        linked_faces = {d for _, d in pairs}
        for number, face in enumerate(found):
            if number not in linked_faces:
                track = _OpenTrack(face, frame.pts_seconds, np.zeros(4), faces[number].confidence)
                self._place(track, self._held[-1], face)
                self._open.append(track)
        self._forget()

    def _quick_search(self, picture: NDArray[np.uint8], seconds: float) -> list[Face]:
        """Look for some faces only, when it is not the turn of all."""
        wanted = _SEARCHES[self._detections % len(_SEARCHES)]
        if wanted == "large faces":
            return self._detector.detect(picture, smallest_px=_LARGE_FACE_PX)
        if wanted == "known faces" and self._open:
            return self._detector.detect(
                picture, [_as_box(track.predicted(seconds)) for track in self._open]
            )
        return []

    def _extend(self, track: _OpenTrack, found: NDArray[np.float64], seconds: float) -> None:
        """Place the frames since a track's latest detection, interpolated; move its anchor."""
        span = seconds - track.anchor_seconds
        for seen in self._held:
            if seen.index > track.placed_until:
                share = (seen.pts_seconds - track.anchor_seconds) / span if span > 0 else 1.0
                self._place(track, seen, track.anchor + share * (found - track.anchor))
        if span > 0:
            track.velocity = (found[:4] - track.anchor[:4]) / span
        track.anchor, track.anchor_seconds = found, seconds

    def _place(self, track: _OpenTrack, seen: _Seen, geometry: NDArray[np.float64]) -> None:
        """Add one frame to a track and measure its difference to the one before."""
        square = square_around(_as_box(geometry[:4]), margin_ratio=1.0)
        crop = cut_square(seen.luma, square, size_px=_DIFFERENCE_SIDE_PX).astype(np.int16)
        before = track.previous
        track.differences.append(
            float("nan") if before is None else float(np.abs(crop - before).mean())
        )
        track.previous = crop
        track.placed_until = seen.index
        track.indices.append(seen.index)
        track.seconds.append(seen.pts_seconds)
        track.geometry.append(geometry.astype(np.float32))

    def _close_all(self) -> None:
        """End all tracks; frames after a track's latest detection keep its box."""
        for track in self._open:
            if track.misses == 0:
                for seen in self._held:
                    if seen.index > track.placed_until:
                        self._place(track, seen, track.anchor)
        self._closed += self._open
        self._open = []
        self._held.clear()

    def _forget(self) -> None:
        """Let go of frames that every open track has placed; the newest stays, for cuts."""
        oldest = min((t.placed_until for t in self._open), default=self._held[-1].index)
        while len(self._held) > 1 and self._held[0].index <= oldest:
            self._held.popleft()

    def _track(self, number: int, each: _OpenTrack) -> FaceTrack:
        geometry = np.stack(each.geometry) / np.float32(self._scale)
        return FaceTrack(
            id=number,
            frame_indices=np.asarray(each.indices, dtype=np.int64),
            pts_seconds=np.asarray(each.seconds, dtype=np.float64),
            boxes=geometry[:, :4],
            landmarks=geometry[:, 4:_GEOMETRY].reshape(-1, 5, 2),
            differences=np.asarray(each.differences, dtype=np.float32),
            confidence=each.confidence,
        )


def _as_box(values: NDArray[np.float64]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in values)
    return x0, y0, x1, y1
