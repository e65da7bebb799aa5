"""The report as one HTML file that needs neither network nor server.

It is for people who have to answer for what they publish: the verdict in words with its limits,
each face with its key frames and what the network looked at, what was left out, and everything
needed to repeat the scan. Text from the file is hostile: templates escape everything, and
characters that hide or reorder text are shown as code points. The page's own security policy
allows nothing but its pictures, one style and one script.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

import jinja2
from markupsafe import Markup

from unmask.explain.methods import OF_FEATURES, TITLES
from unmask.explain.regions import in_words
from unmask.report import page, wording
from unmask.report.charts import (
    LINE_WIDTH,
    PLOT_HEIGHT,
    PLOT_TOP,
    CurveChart,
    Dot,
    Timeline,
    curve_chart,
    timeline,
)
from unmask.report.pictures import jpeg_uri, overlay_uri
from unmask.values import KeyFrame, KeyFramePicture, SaliencyMap, Scan, ScanRecord, TrackResult

_THUMB_PX = 160


@dataclass(frozen=True)
class MapView:
    """One map of a key frame as the page shows it."""

    place: int
    """Position of the method in the report's list, from 1: its part of the class name."""
    title: str
    """The method's name."""
    overlay: str | None
    """Data URI of the map; None where it is empty."""
    words: str
    """Where it lies, or why it is empty."""


@dataclass(frozen=True)
class MethodView:
    """One method of explaining, as a reader can choose it."""

    place: int
    """Position in the report's list, from 1."""
    name: str
    """The method's name in settings."""
    title: str
    """The method's name as printed."""
    faithfulness: str | None
    """What is known of its maps for this detector; None where nothing was recorded."""


@dataclass(frozen=True)
class FrameView:
    """One key frame as the page shows it."""

    anchor: str
    """Id of its element."""
    key: KeyFrame
    """Its numbers."""
    dot: Dot
    """Its place on the timeline."""
    crop: str | None
    """Data URI of the crop."""
    maps: tuple[MapView, ...]
    """Its maps, by method."""
    agreement: float | None
    """Mean rank correlation of these maps."""


@dataclass(frozen=True)
class FaceView:
    """One face track as the page shows it."""

    anchor: str
    """Id of its section."""
    track: TrackResult
    """Its numbers."""
    frames: tuple[FrameView, ...]
    """Its key frames."""
    shown: str | None
    """Anchor of the frame that is open at first."""
    thumb: str | None
    """Data URI of a small representative crop."""
    methods: tuple[MethodView, ...]
    """Methods of which some frame has a map."""
    timeline: Timeline
    """Scores over time."""
    curve: CurveChart | None
    """Difference over time."""
    still: bool
    """Whether it is of a single picture, which has no time."""


@dataclass(frozen=True)
class ReportView:
    """One file as the page shows it."""

    anchor: str
    """Id of its section."""
    name: str
    """File name without folders."""
    result: ScanRecord
    """Everything known."""
    faces: tuple[FaceView, ...]
    """Its faces."""


class Page:
    """A report that grows file by file; of a file's pictures it keeps what it shows."""

    def __init__(self) -> None:
        self._reports: dict[int, ReportView] = {}

    def add(self, scan: Scan, place: int) -> None:
        """Add a file that stands at a place among the others, whenever they are added."""
        self._reports[place] = _report(scan, f"r{place + 1}")

    def html(self, failures: Sequence[tuple[str, str]] = ()) -> str:
        """Draw it, with an index in front if there is more than one file.

        Args:
            failures: path and reason of each file that could not be scanned.

        Returns:
            A complete HTML document.
        """
        style, script = asset("report.css"), asset("report.js")
        template = environment().get_template("report.html.j2")
        return template.render(
            reports=[report for _, report in sorted(self._reports.items())],
            failures=failures,
            batch=len(self._reports) != 1 or bool(failures),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=page.policy(style, script),
        )


def to_html(scan: Scan) -> str:
    """Draw the report of one file.

    Args:
        scan: the result and its pictures.

    Returns:
        A complete HTML document.
    """
    return to_html_batch([scan])


def to_html_batch(scans: Sequence[Scan], failures: Sequence[tuple[str, str]] = ()) -> str:
    """Draw one report of many files, with an index in front.

    Args:
        scans: results and pictures, in the order to show.
        failures: path and reason of each file that could not be scanned.

    Returns:
        A complete HTML document.
    """
    made = Page()
    for place, scan in enumerate(scans):
        made.add(scan, place)
    return made.html(failures)


def asset(name: str) -> str:
    """Return a style or script of the templates."""
    return page.asset("unmask.report", name)


@cache
def environment() -> jinja2.Environment:
    """Return where templates come from, everything escaped."""
    made = page.environment("unmask.report")
    made.filters.update(
        number=wording.number,
        percent=wording.percent,
        clock=wording.clock,
        bytesize=wording.size,
        setting=wording.setting,
        statements=wording.statements,
        survival=wording.survival,
        persons=wording.repeated_persons,
        rate=wording.rate,
        range_note=wording.range_note,
        decided=wording.decided,
        misses=wording.misses,
    )
    made.globals.update(
        verdicts=wording.VERDICTS,
        plot_top=PLOT_TOP,
        plot_height=PLOT_HEIGHT,
        line_width=LINE_WIDTH,
    )
    return made


def _report(scan: Scan, anchor: str) -> ReportView:
    result = scan.result
    coverage = result.coverage
    still = result.video.kind == "image"
    lengths = (result.video.duration_seconds, coverage.seconds_analysed)
    duration = None if still else max((s for s in lengths if s is not None), default=None)
    pictures = {(p.track_id, p.frame_index): p for p in scan.pictures}
    methods = _methods(scan)
    return ReportView(
        anchor=anchor,
        name=PurePath(result.video.path).name or result.video.path,
        result=result,
        faces=tuple(
            _face(t, pictures, anchor, duration, methods, still=still) for t in result.tracks
        ),
    )


def _methods(scan: Scan) -> tuple[MethodView, ...]:
    """List the methods that made maps, in the order in which they were asked for."""
    names = dict.fromkeys(each.method for p in scan.pictures for each in p.maps)
    stated = dict(scan.faithfulness)
    return tuple(
        MethodView(place, name, TITLES.get(name, name), stated.get(name))
        for place, name in enumerate(names, 1)
    )


def _face(
    track: TrackResult,
    pictures: dict[tuple[int, int], KeyFramePicture],
    report: str,
    duration: float | None,
    methods: tuple[MethodView, ...],
    *,
    still: bool,
) -> FaceView:
    anchor = f"{report}-face{track.id}"
    drawn = timeline(track, duration)
    frames = tuple(
        _frame(key, dot, pictures.get((track.id, key.frame_index)), f"{anchor}-frame{n}", methods)
        for n, (key, dot) in enumerate(zip(track.key_frames, drawn.dots, strict=True), 1)
    )
    best = _representative(track.key_frames, {i for t, i in pictures if t == track.id})
    picture = None if best is None else pictures.get((track.id, track.key_frames[best].frame_index))
    return FaceView(
        anchor=anchor,
        track=track,
        frames=frames,
        shown=None if best is None else frames[best].anchor,
        thumb=None if picture is None else jpeg_uri(picture.crop, side_px=_THUMB_PX),
        methods=methods if any(f.maps for f in frames) else (),
        timeline=drawn,
        curve=curve_chart(track.curve, track.key_frames),
        still=still,
    )


def _frame(
    key: KeyFrame,
    dot: Dot,
    picture: KeyFramePicture | None,
    anchor: str,
    methods: tuple[MethodView, ...],
) -> FrameView:
    if picture is None:
        return FrameView(anchor, key, dot, crop=None, maps=(), agreement=None)
    by_name = {method.name: method for method in methods}
    return FrameView(
        anchor=anchor,
        key=key,
        dot=dot,
        crop=jpeg_uri(picture.crop),
        maps=tuple(_map(each, by_name[each.method], picture.view) for each in picture.maps),
        agreement=picture.agreement,
    )


def _map(saliency: SaliencyMap, method: MethodView, view: str | None) -> MapView:
    if saliency.empty is not None:
        return MapView(method.place, method.title, None, f"empty: {saliency.empty}")
    words = "regions not measured" if saliency.regions is None else in_words(saliency.regions)
    if view is not None and saliency.method in OF_FEATURES:
        words = f"{view} view: {words}"
    return MapView(method.place, method.title, overlay_uri(saliency.values), words)


def _representative(keys: Sequence[KeyFrame], pictured: set[int]) -> int | None:
    """Return the position of the pictured key frame with the median score."""
    if not keys:
        return None
    shown = [n for n, key in enumerate(keys) if key.frame_index in pictured]
    scored = [(p, n) for n in shown if (p := keys[n].probability) is not None]
    if scored:
        return statistics.median_low(scored)[1]
    return shown[0] if shown else 0
