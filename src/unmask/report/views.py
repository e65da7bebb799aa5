"""What the page shows of one file, computed from its result: persons, faces, key frames, maps.

The most suspicious person comes first, and of a person the most suspicious face. A result without
pictures, as it is read back from its JSON, gives the same view without them.
"""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from unmask.core.scan import BoxPath, SaliencyMap, Scan
from unmask.core.scan_record import KeyFrame, ScanRecord, TrackResult
from unmask.explain.methods import TITLES
from unmask.report.charts import CurveChart, Dot, Timeline, curve_chart, timeline
from unmask.report.film_link import NO_FILM, FilmLink
from unmask.report.pictures import jpeg_uri, overlay_uri
from unmask.report.wording import map_words, method_note

_THUMB_PX = 160
_MAX_STILLS = 60
"""Most whole frames on a page, those of the most suspicious faces."""


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
    note: str | None
    """What its maps show, where that is not what maps show as a rule."""
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
    still: str | None
    """Data URI of the whole frame."""
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
class PersonView:
    """The faces that are taken for one person's, the most suspicious first."""

    number: int
    """Number of the person, from 1."""
    faces: tuple[FaceView, ...]
    """One or more."""


@dataclass(frozen=True)
class ReportView:
    """One file as the page shows it."""

    anchor: str
    """Id of its section."""
    name: str
    """File name without folders."""
    result: ScanRecord
    """Everything known."""
    persons: tuple[PersonView, ...]
    """Its faces by person, the most suspicious first."""
    film: FilmLink
    """Where the film is shown from."""
    boxes: Mapping[int, tuple[tuple[float, int, int, int, int], ...]]
    """Of each face: seconds and the box's x0, y0, x1, y1 in pixels, over time."""

    @property
    def faces(self) -> tuple[FaceView, ...]:
        """All faces, the most suspicious person's first."""
        return tuple(face for person in self.persons for face in person.faces)

    @property
    def deciding(self) -> FaceView | None:
        """The face that decides, or the first one with key frames; None where there is none."""
        named = self.result.verdict.deciding_track
        pictured = [face for face in self.faces if face.frames]
        return next((f for f in pictured if f.track.id == named), pictured[0] if pictured else None)


def report_view(scan: Scan, anchor: str = "r1", film: FilmLink = NO_FILM) -> ReportView:
    """Return what the page shows of a scan.

    Args:
        scan: the result with what pictures there are.
        anchor: id of the file's element; those of its parts start with it.
        film: where the film is shown from.
    """
    return _Builder(scan, anchor).report(film)


class _Builder:
    """Makes the views of one file."""

    def __init__(self, scan: Scan, anchor: str) -> None:
        result = scan.result
        self._result, self._anchor = result, anchor
        self._still = result.video.kind == "image"
        lengths = (result.video.duration_seconds, result.coverage.seconds_analysed)
        known = [length for length in lengths if length is not None]
        self._duration = None if self._still else max(known, default=None)
        self._pictures = {(p.track_id, p.frame_index): p for p in scan.pictures}
        self._stills = {each.frame_index: each.jpeg for each in scan.stills}
        self._methods = _methods(scan)
        self._paths = scan.paths
        self._stills_left = _MAX_STILLS

    def report(self, film: FilmLink) -> ReportView:
        result = self._result
        return ReportView(
            anchor=self._anchor,
            name=PurePath(result.video.path).name or result.video.path,
            result=result,
            persons=tuple(
                PersonView(number, tuple(map(self._face, tracks)))
                for number, tracks in _by_person(result)
            ),
            film=film,
            boxes={path.track_id: _timed(path) for path in self._paths},
        )

    def _face(self, track: TrackResult) -> FaceView:
        anchor = f"{self._anchor}-face{track.id}"
        drawn = timeline(track, self._duration)
        frames = tuple(
            self._frame(track, key, dot, f"{anchor}-frame{n}")
            for n, (key, dot) in enumerate(zip(track.key_frames, drawn.dots, strict=True), 1)
        )
        best = _representative(track.key_frames, {i for t, i in self._pictures if t == track.id})
        picture = (
            None
            if best is None
            else self._pictures.get((track.id, track.key_frames[best].frame_index))
        )
        return FaceView(
            anchor=anchor,
            track=track,
            frames=frames,
            shown=None if best is None else frames[best].anchor,
            thumb=None if picture is None else jpeg_uri(picture.crop, side_px=_THUMB_PX),
            methods=self._methods if any(f.maps for f in frames) else (),
            timeline=drawn,
            curve=curve_chart(track.curve, track.key_frames),
            still=self._still,
        )

    def _frame(self, track: TrackResult, key: KeyFrame, dot: Dot, anchor: str) -> FrameView:
        picture = self._pictures.get((track.id, key.frame_index))
        by_name = {method.name: method for method in self._methods}
        maps = () if picture is None else picture.maps
        return FrameView(
            anchor=anchor,
            key=key,
            dot=dot,
            crop=None if picture is None else jpeg_uri(picture.crop),
            still=self._still_uri(key.frame_index),
            maps=tuple(_map(m, by_name[m.method], picture.view if picture else None) for m in maps),
            agreement=None if picture is None else picture.agreement,
        )

    def _still_uri(self, frame_index: int) -> str | None:
        jpeg = self._stills.get(frame_index)
        if jpeg is None or self._stills_left == 0:
            return None
        self._stills_left -= 1
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def suspicion(probability: float | None) -> float:
    """Return what faces and files are ranked by; those without a probability come last."""
    return -1.0 if probability is None else probability


def _by_person(result: ScanRecord) -> list[tuple[int, list[TrackResult]]]:
    """Return the faces of each person, the most suspicious person and face first."""
    tracks = {track.id: track for track in result.tracks}
    groups = [list(person.tracks) for person in result.persons]
    grouped = {number for group in groups for number in group}
    groups += [[number] for number in tracks if number not in grouped]
    ranked = [
        sorted(
            (tracks[number] for number in group if number in tracks),
            key=lambda t: (-suspicion(t.verdict.probability), t.id),
        )
        for group in groups
    ]
    persons = [(number, group) for number, group in enumerate(ranked, 1) if group]
    return sorted(persons, key=lambda p: (-suspicion(p[1][0].verdict.probability), p[0]))


def _timed(path: BoxPath) -> tuple[tuple[float, int, int, int, int], ...]:
    return tuple((t, *box) for t, box in zip(path.pts_seconds, path.boxes, strict=True))


def _methods(scan: Scan) -> tuple[MethodView, ...]:
    """List the methods that made maps, in the order in which they were asked for."""
    names = dict.fromkeys(each.method for p in scan.pictures for each in p.maps)
    stated = dict(scan.faithfulness)
    return tuple(
        MethodView(place, name, TITLES.get(name, name), method_note(name), stated.get(name))
        for place, name in enumerate(names, 1)
    )


def _map(saliency: SaliencyMap, method: MethodView, view: str | None) -> MapView:
    overlay = overlay_uri(saliency.values) if saliency.empty is None else None
    return MapView(method.place, method.title, overlay, map_words(saliency, view))


def _representative(keys: tuple[KeyFrame, ...], pictured: set[int]) -> int | None:
    """Return the position of the pictured key frame with the median score."""
    if not keys:
        return None
    shown = [n for n, key in enumerate(keys) if key.frame_index in pictured]
    scored = [(p, n) for n in shown if (p := keys[n].probability) is not None]
    if scored:
        return statistics.median_low(scored)[1]
    return shown[0] if shown else 0
