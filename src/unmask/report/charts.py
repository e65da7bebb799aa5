"""Geometry of the two charts of a face: scores over the video's time, and the difference curve.

A chart is as wide as the page lets it be, so horizontal places are percentages and only lines are
stretched; text and dots keep their size on a telephone and on a wide screen. The template draws
what is computed here.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from unmask.core.scan_record import Curve, KeyFrame, TrackResult
from unmask.report.quantities import clock, number

PLOT_TOP = 12.0
"""Top of the plotted area, pixels."""

PLOT_HEIGHT = 150.0
"""Height of the plotted area, pixels."""

MAX_POINTS = 800
"""Most points of a drawn line; longer curves keep the extremes of every bucket."""

LINE_WIDTH = 1000.0
"""Width of the stretched coordinate system that lines are drawn in."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    place: float
    """Percent of the width, or pixels from the top."""
    label: str
    """Its text."""
    anchor: str
    """SVG text-anchor: start, middle or end."""


@dataclass(frozen=True)
class Line:
    """A drawn curve."""

    style: str
    """CSS classes."""
    points: str
    """SVG points."""


@dataclass(frozen=True)
class Dot:
    """A key frame on a chart."""

    x: float
    """Percent of the width."""
    y: float
    """Pixels from the top."""
    scored: bool
    """Whether it has a score."""


@dataclass(frozen=True)
class Timeline:
    """Scores of the key frames on the video's time axis."""

    height: float
    """Height of the drawing, pixels."""
    dots: tuple[Dot, ...]
    """One for each key frame."""
    line: str
    """SVG points that join the scored ones, in `LINE_WIDTH` by `PLOT_HEIGHT`."""
    x_ticks: tuple[Tick, ...]
    """Times."""
    y_ticks: tuple[Tick, ...]
    """Scores."""
    span: tuple[float, float]
    """Start and width of the time in which the face is seen, percent."""
    unscored_y: float | None
    """Row of the frames without a score, if there are any."""
    end_seconds: float
    """Where the axis ends; it begins at 0."""


@dataclass(frozen=True)
class CurveChart:
    """The difference curve of one face over its own time."""

    raw: tuple[str, ...]
    """SVG points of each unbroken stretch of the measured curve."""
    smoothed: tuple[str, ...]
    """SVG points of the smoothed curve."""
    marks: tuple[Dot, ...]
    """Key frames on the smoothed curve."""
    x_ticks: tuple[Tick, ...]
    """Times."""
    y_ticks: tuple[Tick, ...]
    """Grey levels."""
    points: int
    """Points of the curve before it was thinned for drawing."""


def timeline(track: TrackResult, duration_seconds: float | None) -> Timeline:
    """Lay out the scores of a track on the video's time axis.

    Args:
        track: the track.
        duration_seconds: length of the video; the axis is never shorter than the track.
    """
    last = max([track.end_seconds, *(k.pts_seconds for k in track.key_frames)])
    end = max(duration_seconds or 0.0, last)
    bottom = PLOT_TOP + PLOT_HEIGHT
    unscored = any(k.probability is None for k in track.key_frames)
    row = bottom + 20.0 if unscored else None
    dots = tuple(_timeline_dot(k, end, row or bottom) for k in track.key_frames)
    scored = [(d.x * LINE_WIDTH / 100, d.y - PLOT_TOP) for d in dots if d.scored]
    start = _share(track.start_seconds, 0.0, end)
    y_ticks = tuple(
        Tick(PLOT_TOP + PLOT_HEIGHT * (1 - p), f"{p * 100:.0f}\u00a0%", "end")
        for p in (0.0, 0.5, 1.0)
    )
    return Timeline(
        height=bottom + (50.0 if unscored else 28.0),
        dots=dots,
        line=_points(scored),
        x_ticks=_time_ticks(0.0, end),
        y_ticks=y_ticks,
        span=(start, max(_share(track.end_seconds, 0.0, end) - start, 0.4)),
        unscored_y=row,
        end_seconds=end,
    )


def curve_chart(curve: Curve, key_frames: Sequence[KeyFrame]) -> CurveChart | None:
    """Lay out the difference curve, or return None where there is no curve to draw.

    Args:
        curve: raw and smoothed difference over time.
        key_frames: frames to mark.
    """
    if len(curve.pts_seconds) < 2:
        return None
    start, end = curve.pts_seconds[0], curve.pts_seconds[-1]
    measured = [v for v in (*curve.difference, *curve.smoothed) if v is not None]
    top = _round_up(max(measured, default=1.0))

    def lines(heights: Sequence[float | None]) -> tuple[str, ...]:
        return tuple(
            _points([(_share(t, start, end) * LINE_WIDTH / 100, _drop(v, top)) for t, v in part])
            for part in _stretches(curve.pts_seconds, heights)
        )

    marks = []
    for key in key_frames:
        at = min(bisect.bisect_left(curve.pts_seconds, key.pts_seconds), len(curve.smoothed) - 1)
        height = key.difference if key.difference is not None else curve.smoothed[at]
        x = _share(key.pts_seconds, start, end)
        marks.append(Dot(x, PLOT_TOP + _drop(height, top), key.probability is not None))
    return CurveChart(
        raw=lines(curve.difference),
        smoothed=lines(curve.smoothed),
        marks=tuple(marks),
        x_ticks=_time_ticks(start, end),
        y_ticks=tuple(
            Tick(PLOT_TOP + PLOT_HEIGHT * (1 - f), number(top * f, 0 if top >= 4 else 2), "end")
            for f in (0.0, 0.5, 1.0)
        ),
        points=len(curve.pts_seconds),
    )


def thin(
    points: Sequence[tuple[float, float]], limit: int = MAX_POINTS
) -> list[tuple[float, float]]:
    """Reduce a curve to at most `limit` points, keeping the lowest and highest of each bucket.

    >>> thin([(0, 1), (1, 9), (2, 3), (3, 2)], 2)
    [(0, 1), (1, 9)]
    """
    if len(points) <= limit:
        return list(points)
    buckets = max(1, limit // 2)
    kept: list[tuple[float, float]] = []
    for number_ in range(buckets):
        low = number_ * len(points) // buckets
        part = points[low : (number_ + 1) * len(points) // buckets]
        ends = {part.index(min(part, key=_height)), part.index(max(part, key=_height))}
        kept.extend(part[i] for i in sorted(ends))
    return kept


def _height(point: tuple[float, float]) -> float:
    return point[1]


def _stretches(
    times: Sequence[float], heights: Sequence[float | None]
) -> list[list[tuple[float, float]]]:
    """Cut a curve where it was not measured and thin what is left."""
    parts: list[list[tuple[float, float]]] = [[]]
    for time, height in zip(times, heights, strict=True):
        if height is None:
            parts.append([])
        else:
            parts[-1].append((time, height))
    share = MAX_POINTS / max(1, len(times))
    return [thin(part, max(2, math.ceil(len(part) * share))) for part in parts if part]


def _timeline_dot(key: KeyFrame, end: float, row: float) -> Dot:
    x = _share(key.pts_seconds, 0.0, end)
    if key.probability is None:
        return Dot(x, row, scored=False)
    return Dot(x, PLOT_TOP + PLOT_HEIGHT * (1 - key.probability), scored=True)


def _share(time: float, start: float, end: float) -> float:
    """Place a time on an axis, percent; an axis without length has its middle only."""
    return 100 * (time - start) / (end - start) if end > start else 50.0


def _drop(value: float, top: float) -> float:
    return PLOT_HEIGHT * (1 - min(max(value / top, 0.0), 1.0))


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 10, 20, ... times a power of ten."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10) if value <= step * power * (1 + 1e-9))


def _time_ticks(start: float, end: float) -> tuple[Tick, ...]:
    """Label an axis at its ends and quarters."""
    if end <= start:
        return (Tick(50.0, clock(start), "middle"),)
    digits = 0 if end - start >= 20 else 1 if end - start >= 2 else 2
    anchors = ("start", "middle", "middle", "middle", "end")
    return tuple(
        Tick(25.0 * i, clock(start + (end - start) * i / 4, digits), anchor)
        for i, anchor in enumerate(anchors)
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
