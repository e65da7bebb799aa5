"""A clip with what was found drawn on it: boxes, tracks, scores and the map of where it looked.

Only key frames are scored and explained. Between two of them a face carries the score and the map
of the nearest one, moved along with its box, and the caption says so. The sound is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unmask.bundle.framing import face_square
from unmask.bundle.manifest import Preprocessing
from unmask.core.errors import UnmaskError
from unmask.core.face import Box, FaceTrack
from unmask.core.scan import KeyFramePicture, Scan
from unmask.core.scan_record import KeyFrame, TrackResult
from unmask.core.settings import Limits
from unmask.explain.methods import TITLES
from unmask.report.language.sentences import sentence
from unmask.report.language.translation import _, in_language
from unmask.report.pictures import overlay
from unmask.report.quantities import percent
from unmask.report.sound import Sound
from unmask.report.wording import local_word
from unmask.scanner.passes import FirstPass, Progress
from unmask.scanner.scanner import Scanner
from unmask.system.files import write_whole
from unmask.video import read_frames
from unmask.video.source import open_container

Picture = NDArray[np.uint8]
_TICKS_PER_SECOND = 90_000
_CRF = "20"
_STRENGTH = 0.6
"""Opacity of the map over the face."""
_COLOURS = ((255, 214, 64), (96, 205, 255), (170, 255, 140), (255, 150, 210))
"""Of the boxes, by the number of the face."""


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A face track with what is drawn of it."""

    track: FaceTrack
    result: TrackResult
    pictures: dict[int, KeyFramePicture]

    def at(self, index: int) -> tuple[Box, KeyFrame] | None:
        """Return the box in a frame and the nearest scored key frame; None where it is not seen."""
        place = int(np.searchsorted(self.track.frame_indices, index))
        if place == len(self.track) or self.track.frame_indices[place] != index:
            return None
        keys = self.result.key_frames
        if not keys:
            return None
        nearest = min(keys, key=lambda key: abs(key.frame_index - index))
        if nearest.frame_index == index:  # measured there, and not followed from other frames
            return nearest.box, nearest
        box: Box = tuple(float(v) for v in self.track.boxes[place])  # type: ignore[assignment]
        return box, nearest


_FONT = "DejaVuSans-Latin.ttf"
_FORMATS = {".mp4": "mp4", ".m4v": "ipod", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's name of a container by a file's suffix."""


@dataclass(frozen=True)
class FilmStyle:
    """What a film shows of its faces."""

    method: str | None
    """Method of the maps; None: without maps."""
    crop: Preprocessing
    """How crops, and so maps, lie around face boxes."""


@dataclass(frozen=True)
class DrawnFilm:
    """What was written."""

    frames: int
    """Pictures."""
    silent: str | None = None
    """Why the sound of the film is not in it, where it has one."""


def draw_film(
    first: FirstPass,
    scan: Scan,
    target: Path,
    *,
    style: FilmStyle,
    limits: Limits,
    progress: Progress | None = None,
) -> DrawnFilm:
    """Write a video with the result drawn on its sampled frames.

    Args:
        first: the first pass that the scan came from.
        scan: the result, with maps by the style's method.
        target: file to write, such as `out.mp4`.
        style: what is shown.
        limits: of decoding.
        progress: told how far it is.

    Returns:
        How many pictures were written, and whether the sound was copied.
    """
    faces = _faces(first, scan)
    stamps = [first.stamps[index] for index in sorted(first.stamps)]
    written = DrawnFilm(0)

    def encode(partial: Path) -> None:
        nonlocal written
        container_format = _FORMATS[target.suffix.lower()]
        with (
            open_container(first.info.path, limits=limits) as source,
            _encoder(partial, container_format, source) as write,
        ):
            for frame in read_frames(first.info, stamps, limits=limits):
                write(draw_frame(frame.image, frame.index, faces, style), frame.pts_seconds)
                written = DrawnFilm(written.frames + 1, write.silent)
                if progress:
                    progress("drawing", written.frames / len(stamps))

    write_whole(target, encode)
    return written


@dataclass(frozen=True)
class OverlayFilms:
    """Draws a film beside each scan, in the process that scans (`Job.draw`)."""

    targets: Mapping[str, Path]
    """File of each film, by the path of the video."""
    language: str
    """Code of the language of its words."""

    def __call__(
        self, first: FirstPass, scan: Scan, scanner: Scanner, progress: Progress | None
    ) -> Scan:
        """Draw the film of a video; return its scan, with a warning where there is none."""
        target = self.targets.get(scan.result.video.path)
        if target is None or first.is_single_picture:
            return scan
        settings = scanner.settings
        method = settings.explain[0] if settings.explain else None
        style = FilmStyle(method, scanner.bundle.manifest.preprocessing)
        try:
            with in_language(self.language):
                draw_film(
                    first, scan, target, style=style, limits=settings.limits, progress=progress
                )
        except (OSError, UnmaskError) as error:  # a verdict is worth more than its film
            return _with_warning(scan, f"the film with the boxes could not be written: {error}")
        return scan

    def folder(self, path: str) -> Path | None:
        """Make the folder of a video's film, and return it; None where it has none."""
        target = self.targets.get(path)
        if target is None:
            return None
        with suppress(OSError):  # the film cannot be written then, and its scan says so
            target.parent.mkdir(exist_ok=True)
        return target.parent if target.parent.is_dir() else None


def _with_warning(scan: Scan, warning: str) -> Scan:
    result = replace(scan.result, warnings=(*scan.result.warnings, warning))
    return replace(scan, result=result)


def _faces(first: FirstPass, scan: Scan) -> list[_Drawn]:
    tracks = {track.id: track for track in first.tracks}
    pictures: dict[int, dict[int, KeyFramePicture]] = {}
    for picture in scan.pictures:
        pictures.setdefault(picture.track_id, {})[picture.frame_index] = picture
    return [_Drawn(tracks[t.id], t, pictures.get(t.id, {})) for t in scan.result.tracks]


def draw_frame(image: Picture, index: int, faces: list[_Drawn], style: FilmStyle) -> Picture:
    """Draw the faces of one frame and the caption."""
    canvas = Image.fromarray(image)
    for face in faces:
        seen = face.at(index)
        if seen is not None:
            _draw_face(canvas, face, *seen, style)
    _label(canvas, (0, canvas.height), _caption(style), (255, 255, 255))
    return np.asarray(canvas)


def _caption(style: FilmStyle) -> str:
    if style.method is None:
        return _("Scores of the nearest key frame, not proof.")
    return _(
        "Where the model looked ({method}), not proof. Score and map of the nearest key frame.",
        method=TITLES.get(style.method, style.method),
    )


def _draw_face(
    canvas: Image.Image, face: _Drawn, box: Box, key: KeyFrame, style: FilmStyle
) -> None:
    """Draw one face: its map, its box, its number and score."""
    picture = face.pictures.get(key.frame_index)
    maps = [m for m in picture.maps if m.method == style.method] if picture else []
    if maps and maps[0].empty is None:
        _lay_over(canvas, overlay(maps[0].values), face_square(box, style.crop))
    colour = _COLOURS[(face.track.id - 1) % len(_COLOURS)]
    thickness = max(2, canvas.height // 240)
    ImageDraw.Draw(canvas).rectangle(box, outline=colour, width=thickness)
    text = f"{_verdict(face)}; {_describe_score(key)}"
    _label(canvas, (box[0], box[1]), text, colour)


def _verdict(face: _Drawn) -> str:
    """Put the verdict on a face into words, with its range."""
    verdict = face.result.verdict
    name, word = _("face {face}", face=face.track.id), local_word(verdict.word)
    if verdict.interval is None:
        return _("{title}: {text}", title=name, text=word)
    low, high = map(percent, verdict.interval)
    text = ", ".join([word, _("{low} to {high}", low=low, high=high)])
    return _("{title}: {text}", title=name, text=text)


def _describe_score(key: KeyFrame) -> str:
    """Put the score of a key frame into words, with why it does not count where it does not."""
    text = _("nearest key frame {score}", score=percent(key.probability))
    if key.probability is None or key.unusable is None:
        return text
    return text + _(", not counted: {why}", why=sentence(key.unusable.split(" (")[0]))


def _lay_over(canvas: Image.Image, coloured: NDArray[np.uint8], square: Box) -> None:
    """Blend a coloured map into its square."""
    side = max(1, round(square[2] - square[0]))
    layer = Image.fromarray(coloured).resize((side, side), Image.Resampling.BILINEAR)
    alpha = layer.getchannel("A").point(lambda value: round(value * _STRENGTH))
    canvas.paste(layer.convert("RGB"), (round(square[0]), round(square[1])), alpha)


def _label(
    canvas: Image.Image, place: tuple[float, float], text: str, colour: tuple[int, int, int]
) -> None:
    """Write text on a dark ground above a place, within the picture."""
    font = _font(max(11, canvas.height // 34))
    draw = ImageDraw.Draw(canvas)
    text = _wrapped(text, lambda line: draw.textlength(line, font=font) <= canvas.width - 8)
    left, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    x = min(max(0.0, place[0]), max(0.0, canvas.width - right - 8))
    y = min(max(0.0, place[1] - bottom - 6), canvas.height - bottom - 6)
    draw.rectangle((x, y, x + right - left + 8, y + bottom + 6), fill=(0, 0, 0))
    draw.text((x + 4, y + 3), text, fill=colour, font=font)


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Load the font of labels; Pillow's own has no letters with accents."""
    with resources.as_file(resources.files("unmask.report") / "fonts" / _FONT) as path:
        return ImageFont.truetype(path, size_px)


def _wrapped(text: str, fits: Callable[[str], bool]) -> str:
    """Break a text between words so that its lines fit, as far as single words do."""
    lines: list[str] = []
    # the font has no narrow space
    for word in text.replace("\u202f", "\u00a0").split(" "):
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


@contextmanager
def _encoder(
    target: Path, container_format: str, source: av.container.InputContainer
) -> Iterator[_Writer]:
    """Open a file for H.264 pictures with time stamps of their own, and the sound of a film."""
    with av.open(str(target), "w", format=container_format) as container:
        writer = _Writer(container, source)
        yield writer
        writer.finish()


class _Writer:
    """Encodes pictures, the first decides the size; copies the sound up to each."""

    def __init__(
        self, container: av.container.OutputContainer, source: av.container.InputContainer
    ) -> None:
        self._container = container
        self._source = source
        self._stream: av.VideoStream | None = None
        self._sound: Sound | None = None
        self.silent: str | None = None
        """Why the sound is left out, if it is."""

    def __call__(self, picture: Picture, seconds: float) -> None:
        """Encode a picture that is shown at a time."""
        even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        stream = self._stream or self._open(even)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame.pts = round(seconds * _TICKS_PER_SECOND)
        frame.time_base = Fraction(1, _TICKS_PER_SECOND)
        self._container.mux(stream.encode(frame))
        if self._sound is not None:
            self._sound.copy_until(seconds, self._container)

    def finish(self) -> None:
        """Write what the encoder holds back."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _open(self, picture: Picture) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=30, options={"crf": _CRF})
        assert isinstance(stream, av.VideoStream)  # noqa: S101 - a codec of pictures, for mypy
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
        self._stream = stream
        try:
            self._sound = Sound.of(self._source, self._container)
        except ValueError as error:
            self.silent = str(error)
        return stream
