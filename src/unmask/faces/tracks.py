"""Following faces over time: detections a few times a second, linked and interpolated.

Frames come one by one from the first pass over a video. Faces are detected at intervals and after
each cut, more often while faces are near each other, move fast or have just come or gone. A
detection is linked to a track by `association`, boxes in between are interpolated, and the
difference of each face crop to the one before is measured on the way. A track ends with its last
detection, at a cut, and where the clock jumps. Only the frames since the last detections are held,
so memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box, Face, FaceTrack
from unmask.faces.appearance import look_at
from unmask.faces.association import Sighting, gap_ratio, link, side
from unmask.faces.detector import FaceDetector
from unmask.faces.open_track import OpenTrack, Seen, is_crowded, is_part, may_be_hidden
from unmask.faces.squares import cut_square, square_around
from unmask.system.stages import stage

_MAX_MISSES = 1
"""Detections in a row that a face may be missed in before its track may end."""
_LOST_INTERVALS = 2.0
"""A track ends when its face was missed for this many intervals of detection,"""
_HIDDEN_INTERVALS = 4.0
"""or for this many where another face is in front of it."""
_SEARCHES = ("all faces", "known faces", "large faces", "known faces")
"""What detections look for, in turn: faces that come in are seen within a second if they are large,
within two if they are small. A known face that is missed makes any of them look for all faces."""
_LARGE_FACE_PX = 48
"""Least size of a large face, reduced pixels."""
_MEETING_GAP_RATIO = 0.25
"""Faces that move towards each other are watched closely from here."""
_STILL_RATIO = 0.1
"""A gap that changes less within an interval does not change."""
_FAST_RATIO = 0.5
"""A face that moves farther within an interval, in its own sides, is watched closely."""
_STEADY_SHARE, _CROWDED_SHARE = 0.5, 0.2
"""How much the latest detection decides of a velocity; in a crowd boxes shrink and shift."""
_CUT_LEVELS = 20.0
"""Least mean luma change of a cut, grey levels."""
_CUT_RATIO = 4.0
"""A cut changes the picture this many times as much as frames before it did."""
_CUT_MEMORY = 24
_JUMP_SECONDS = 2.0
_JUMP_RATIO = 4.0
"""The clock jumps where a step is longer than both: the time and as many usual steps."""
_DIFFERENCE_SIDE_PX = 48
_GEOMETRY = 14
"""Numbers per frame and track: box and five points."""


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


class Watcher(Protocol):
    """Follows what becomes of the frames."""

    def placed(self, track: OpenTrack, scale: float) -> None:
        """Hear of the frame that was last added to a track; `scale` is as for `SampledFrame`."""

    def ended(self, track: OpenTrack) -> None:
        """Hear that a track has all its frames."""


class Tracker:
    """Turns sampled frames into face tracks.

    Args:
        detector: finds the faces.
        every_seconds: longest time between two detections.
        closely_seconds: time between two while faces meet, move fast, come or go.
        watcher: told of every frame that is added to a track, and of every track that ends.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        every_seconds: float,
        closely_seconds: float = 0.1,
        watcher: Watcher | None = None,
    ) -> None:
        self._watcher = watcher
        self._detector = detector
        self._every = every_seconds
        self._closely = min(closely_seconds, every_seconds)
        self._open: list[OpenTrack] = []
        self._closed: list[OpenTrack] = []
        self._held: deque[Seen] = deque()
        self._changes: deque[float] = deque(maxlen=_CUT_MEMORY)
        self._steps: deque[float] = deque(maxlen=_CUT_MEMORY)
        self._last_detection: float | None = None
        self._last_turn: float | None = None
        self._next_interval = 0.0
        self._turns = 0
        self._scale = 1.0
        self.cuts: list[float] = []
        """Times of the cuts found, seconds."""
        self.detections = 0
        """Pictures in which faces were searched."""

    @property
    def open_tracks(self) -> Sequence[OpenTrack]:
        """The tracks that may go on."""
        return self._open

    @property
    def oldest_held(self) -> int | None:
        """Index of the earliest frame that may still be added to a track."""
        return self._held[0].index if self._held else None

    @stage("tracking")
    def add(self, frame: SampledFrame) -> None:
        """Take the next sampled frame."""
        self._scale = frame.scale
        seen = Seen(frame.index, frame.pts_seconds, frame.luma)
        jump, cut = self._is_jump(seen), self._is_cut(seen)
        if cut:
            self.cuts.append(seen.pts_seconds)
        if cut or jump:
            self._close_all()
        self._held.append(seen)
        last = self._last_detection
        if cut or jump or last is None or seen.pts_seconds - last >= self._next_interval - 1e-6:
            self._detect(frame, everywhere=cut or jump)

    def finish(self) -> list[FaceTrack]:
        """End all tracks and return them in order of appearance."""
        self._close_all()
        ordered = sorted(self._closed, key=lambda t: (t.indices[0], t.geometry[0][0]))
        return [self._track(number, each) for number, each in enumerate(ordered, start=1)]

    def _is_jump(self, seen: Seen) -> bool:
        if not self._held:
            return False
        step = seen.pts_seconds - self._held[-1].pts_seconds
        usual = median(self._steps) if self._steps else step
        self._steps.append(step)
        return step < 0 or step > max(_JUMP_SECONDS, _JUMP_RATIO * usual)

    def _is_cut(self, seen: Seen) -> bool:
        if not self._held:
            return False
        change = _mean_difference(seen.luma[::4, ::4], self._held[-1].luma[::4, ::4])
        usual = median(self._changes) if self._changes else 0.0
        self._changes.append(change)
        return change > max(_CUT_LEVELS, _CUT_RATIO * usual)

    def _detect(self, frame: SampledFrame, *, everywhere: bool) -> None:
        """Search a frame's faces, continue tracks, begin new ones, end those that are lost."""
        picture, now = frame.rgb(), frame.pts_seconds
        sightings = _sightings(picture, self._search(picture, now, everywhere=everywhere))
        pairs = self._link(sightings, now)
        lost = [t for n, t in enumerate(self._open) if all(n != linked for linked, _ in pairs)]
        places = [each.box for each in sightings]
        for t, d in pairs:
            self._extend(self._open[t], sightings[d], now, crowded=is_crowded(d, places, lost, now))
        linked = {d for _, d in pairs}
        fresh = [
            self._begin(each, now, crowded=is_crowded(d, places, [], now))
            for d, each in enumerate(sightings)
            if d not in linked and not is_part(d, places, lost, now)
        ]
        for track in lost:
            track.misses += 1
            track.hidden |= may_be_hidden(track.predicted(now), places)
        over = [t for t in lost if self._is_over(t, now)]
        self._close(over)
        self._open = [t for t in self._open if t not in over] + fresh
        self._last_detection = now
        self._next_interval = self._closely if self._is_busy(now) else self._every
        self._forget()

    def _search(self, picture: NDArray[np.uint8], now: float, *, everywhere: bool) -> list[Face]:
        """Look for some faces, or for all where it is their turn or a known one is missed."""
        self.detections += 1
        faces = [] if everywhere else self._quick_search(picture, now)
        if not faces or len(faces) < sum(track.misses == 0 for track in self._open):
            faces = self._detector.detect(picture)
        return faces

    def _quick_search(self, picture: NDArray[np.uint8], now: float) -> list[Face]:
        """Look for some faces only, when it is not the turn of all."""
        kind = "known faces"
        if self._last_turn is None or now - self._last_turn >= self._every - 1e-6:
            kind = _SEARCHES[self._turns % len(_SEARCHES)]
            self._turns, self._last_turn = self._turns + 1, now
        if kind == "large faces":
            return self._detector.detect(picture, smallest_px=_LARGE_FACE_PX)
        if kind == "known faces" and self._open:
            near = [_as_box(track.predicted(now)) for track in self._open]
            return self._detector.detect(picture, near)
        return []

    def _link(self, sightings: Sequence[Sighting], now: float) -> list[tuple[int, int]]:
        expected = [track.expectation(now) for track in self._open]
        return link(expected, sightings, sure_confidence=self._detector.sure_confidence)

    def _begin(self, sighting: Sighting, now: float, *, crowded: bool) -> OpenTrack:
        look = sighting.look
        track = OpenTrack(sighting.geometry, now, not crowded, sighting.confidence, [look], look)
        self._place(track, self._held[-1], sighting.geometry, detected=True, clear=not crowded)
        return track

    def _extend(self, track: OpenTrack, sighting: Sighting, now: float, *, crowded: bool) -> None:
        """Place the frames since a track's latest detection, interpolated; move its anchor.

        Frames in which it was hidden are left out.
        """
        span = now - track.anchor_seconds
        latest = self._held[-1].index
        clear = track.anchor_clear and not crowded and track.misses == 0
        for seen in self._held:
            if track.placed_until < seen.index < latest and not track.hidden:
                share = (seen.pts_seconds - track.anchor_seconds) / span if span > 0 else 1.0
                moved = track.anchor + share * (sighting.geometry - track.anchor)
                self._place(track, seen, moved, detected=False, clear=clear)
        if track.hidden:
            track.previous = None
        self._place(track, self._held[-1], sighting.geometry, detected=True, clear=not crowded)
        if span > 0:
            share = _CROWDED_SHARE if crowded else _STEADY_SHARE
            share = 1.0 if track.detections == 1 or span >= self._every - 1e-6 else share
            latest_velocity = (sighting.box - track.anchor[:4]) / span
            track.velocity = share * latest_velocity + (1 - share) * track.velocity
        track.anchor, track.anchor_seconds = sighting.geometry, now
        track.anchor_clear, track.misses, track.hidden = not crowded, 0, False
        track.detections += 1
        track.confidence = max(track.confidence, sighting.confidence)
        track.keep_look(sighting.look, crowded=crowded)

    def _place(
        self,
        track: OpenTrack,
        seen: Seen,
        geometry: NDArray[np.float64],
        *,
        detected: bool,
        clear: bool,
    ) -> None:
        """Add one frame to a track and measure its difference to the one before."""
        square = square_around(_as_box(geometry[:4]), margin_ratio=1.0)
        crop = cut_square(seen.luma, square, size_px=_DIFFERENCE_SIDE_PX)
        before = track.previous
        difference = float("nan") if before is None else _mean_difference(crop, before)
        track.differences.append(difference)
        track.previous = crop
        track.placed_until = seen.index
        track.indices.append(seen.index)
        track.seconds.append(seen.pts_seconds)
        track.geometry.append(geometry.astype(np.float32))
        track.detected.append(detected)
        track.clear.append(clear)
        if self._watcher is not None:
            self._watcher.placed(track, self._scale)

    def _is_over(self, track: OpenTrack, now: float) -> bool:
        """Tell whether a face has been missed for too long."""
        intervals = _HIDDEN_INTERVALS if track.hidden else _LOST_INTERVALS
        lost_seconds = now - track.anchor_seconds
        return track.misses > _MAX_MISSES and lost_seconds >= intervals * self._every - 1e-6

    def _is_busy(self, now: float) -> bool:
        """Tell whether faces are to be watched closely until the next detection."""
        return any(
            track.detections == 1 or track.misses > 0 or self._is_fast(track)
            for track in self._open
        ) or any(self._meet(one, other, now) for one, other in combinations(self._open, 2))

    def _is_fast(self, track: OpenTrack) -> bool:
        moved = np.abs(track.velocity).max() * self._every
        return bool(moved > _FAST_RATIO * side(track.anchor[:4]))

    def _meet(self, one: OpenTrack, other: OpenTrack, now: float) -> bool:
        """Tell whether two faces come near each other before the next detection, or part."""
        times = (now, now + self._every / 2, now + self._every)
        gaps = [gap_ratio(one.predicted(t), other.predicted(t)) for t in times]
        return min(gaps) < 0 or (
            min(gaps) < _MEETING_GAP_RATIO and max(gaps) - min(gaps) > _STILL_RATIO
        )

    def _close_all(self) -> None:
        """End all tracks, with a last detection in the latest frame.

        Its colour is gone by now; grey does for faces that are where they are expected.
        """
        last = self._held[-1] if self._held else None
        if last is not None and self._open and last.pts_seconds != self._last_detection:
            picture = np.repeat(last.luma[:, :, None], 3, axis=2)
            near = [_as_box(track.predicted(last.pts_seconds)) for track in self._open]
            sightings = _sightings(picture, self._detector.detect(picture, near))
            self.detections += 1
            places = [each.box for each in sightings]
            for t, d in self._link(sightings, last.pts_seconds):
                crowded = is_crowded(d, places, [], last.pts_seconds)
                self._extend(self._open[t], sightings[d], last.pts_seconds, crowded=crowded)
        self._close(self._open)
        self._open = []
        self._held.clear()

    def _close(self, tracks: Sequence[OpenTrack]) -> None:
        self._closed += tracks
        if self._watcher is not None:
            for track in tracks:
                self._watcher.ended(track)

    def _forget(self) -> None:
        """Let go of frames that every open track has placed; the newest stays, for cuts."""
        oldest = min((t.placed_until for t in self._open), default=self._held[-1].index)
        while len(self._held) > 1 and self._held[0].index <= oldest:
            self._held.popleft()

    def _track(self, number: int, each: OpenTrack) -> FaceTrack:
        geometry = np.stack(each.geometry) / np.float32(self._scale)
        return FaceTrack(
            id=number,
            frame_indices=np.asarray(each.indices, dtype=np.int64),
            pts_seconds=np.asarray(each.seconds, dtype=np.float64),
            boxes=geometry[:, :4],
            landmarks=geometry[:, 4:_GEOMETRY].reshape(-1, 5, 2),
            differences=np.asarray(each.differences, dtype=np.float32),
            confidence=each.confidence,
            detected=np.asarray(each.detected, dtype=np.bool_),
            clear=np.asarray(each.clear, dtype=np.bool_),
            looks=tuple(each.looks),
        )


def _sightings(picture: NDArray[np.uint8], faces: Sequence[Face]) -> list[Sighting]:
    return [
        Sighting(
            np.array([*f.box, *np.ravel(f.landmarks)], dtype=np.float64),
            f.confidence,
            look_at(picture, f.box, f.landmarks),
        )
        for f in faces
    ]


def _mean_difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean absolute difference of two pictures of one shape, grey levels."""
    larger, smaller = np.maximum(one, other), np.minimum(one, other)
    return int(np.add.reduce(larger - smaller, axis=None, dtype=np.uint32)) / one.size


def _as_box(values: NDArray[np.float64]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in values)
    return x0, y0, x1, y1
