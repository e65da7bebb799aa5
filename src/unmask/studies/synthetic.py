"""Invented material for the quick scale: crops and films of invented persons, forged faintly.

The effects that studies look for are known here: a forgery's strength is a number, labels hang on
persons where a leak shall be seen, and a forgery may fade in. Made once and kept as a cell.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import Box
from unmask.datasets.synth.footage import forge, talk, write_video
from unmask.faces.mtcnn import MtcnnDetector
from unmask.faces.squares import cut_square, square_around
from unmask.studies.cells import Cell, Measured, Place
from unmask.studies.crop_set import COLUMNS

Frames = NDArray[np.uint8]

LICENCE = "invented, Apache-2.0; the portrait is in the public domain"
SIZE = (200, 150)
"""Width and height of the footage."""
MARGIN_RATIO = 1.3
FPS = 25
_QUALITY = 92
_SOURCES = 24
"""Persons whose faces are put in, those of `ToyPersons` aside; none of them is filmed."""
_FIRST_SOURCE = 5000
_VERSION = 2
"""Raised when the same settings give other rows, so that kept ones are made anew."""


@dataclass(frozen=True)
class ToyCrops:
    """Crops of invented persons."""

    persons: int
    """How many are filmed, a third of them for validation and test."""
    frames: int = 6
    """Crops of each clip."""
    methods: tuple[str, ...] = ("swap", "mouth", "sharp")
    """How faces are forged; each method forges every person."""
    strength: float = 1.0
    """Share of the forgery that is mixed into the real picture, 0 to 1."""
    size_px: int = 48
    """Side of a crop."""
    first_person: int = 0
    """Number of the first person; sets with other numbers share nobody."""
    quality: int = _QUALITY
    """JPEG quality."""


@dataclass(frozen=True)
class ToyPersons:
    """Clips in which some persons are mostly forged and others mostly real."""

    persons: int
    """How many."""
    takes: int = 4
    """Clips of each person: other motion, another background."""
    frames: int = 3
    """Crops of each clip."""
    exceptions: int = 1
    """Clips of each person with the label that is rare for that person."""
    strength: float = 0.4
    """As of `ToyCrops`."""
    size_px: int = 48
    """Side of a crop."""
    first_person: int = 3000
    """Number of the first person."""


@dataclass(frozen=True)
class ToyFilms:
    """Films of invented persons, a real and a forged one each."""

    training: int
    """Pairs to learn from."""
    test: int
    """Pairs to judge by."""
    seconds: float = 2.0
    """Length."""
    strength: float = 1.0
    """As of `ToyCrops`."""
    first_person: int = 2000
    """Number of the first person."""


def crops_cell(settings: ToyCrops | ToyPersons) -> Cell:
    """Return the cell that makes a set of crops."""
    rows = _crop_rows if isinstance(settings, ToyCrops) else _person_rows

    def measure(_: Place) -> Measured:
        return Measured(pa.Table.from_pylist(list(rows(settings)), schema=COLUMNS))  # type: ignore[arg-type]

    return Cell({"material": "invented crops"}, _content(settings), measure)


def films_cell(settings: ToyFilms) -> Cell:
    """Return the cell that makes a set of films; they lie in its kept folder."""
    count = settings.training + settings.test
    names = [f"{n:03d}{kind}.mp4" for n in range(count) for kind in ("", "-forged")]

    def measure(place: Place) -> Measured:
        place.kept.mkdir(exist_ok=True)
        rows = [row for number in range(count) for row in _film_rows(settings, number, place.kept)]
        return Measured(pa.Table.from_pylist(rows))

    return Cell({"material": "invented films"}, _content(settings), measure, tuple(names))


def _content(settings: ToyCrops | ToyPersons | ToyFilms) -> dict[str, Any]:
    return {"what": type(settings).__name__, "version": _VERSION, **asdict(settings)}


def _crop_rows(settings: ToyCrops) -> Iterator[dict[str, object]]:
    detector = MtcnnDetector(threads=1)
    for number in range(settings.persons):
        person = settings.first_person + number
        source = _FIRST_SOURCE + person % _SOURCES
        frames = talk(person, seconds=settings.frames / FPS, size=SIZE)
        face = _face(detector, frames)
        clips: dict[str | None, Frames] = {None: frames}
        for method in settings.methods:
            clips[method] = _forge(frames, source, method, settings.strength)
        share = number / settings.persons
        split = "train" if share < 0.6 else "validation" if share < 0.7 else "test"
        base = {"target": f"p{person}", "split": split}
        for way, clip in clips.items():
            cut = _cut_squares(face, clip, settings.size_px, settings.quality)
            persons = (person,) if way is None else (person, source)
            yield from _make_rows(cut, f"p{person}{way or ''}", way, persons, base)


def _person_rows(settings: ToyPersons) -> Iterator[dict[str, object]]:
    detector = MtcnnDetector(threads=1)
    for number in range(settings.persons):
        person = settings.first_person + number
        source = _FIRST_SOURCE + person  # each person's own, so that persons can be kept apart
        mostly_forged = number % 2 == 0
        for take in range(settings.takes):
            frames = clip = talk(person, take=take, seconds=settings.frames / FPS, size=SIZE)
            method = "soft" if mostly_forged == (take >= settings.exceptions) else None
            if method is not None:
                clip = _forge(frames, source, method, settings.strength)
            name = f"p{person}t{take}"
            cut = _cut_squares(_face(detector, frames), clip, settings.size_px, _QUALITY)
            persons = (person,) if method is None else (person, source)
            yield from _make_rows(cut, name, method, persons, {"target": name})


def _make_rows(
    pictures: list[bytes],
    video: str,
    method: str | None,
    persons: tuple[int, ...],
    base: dict[str, str],
) -> Iterator[dict[str, object]]:
    for frame, picture in enumerate(pictures):
        yield base | {
            "name": f"{video}#{frame}",
            "label": "real" if method is None else "fake",
            "video": video,
            "method": method,
            "frame": frame,
            "image": picture,
            "person": f"p{persons[0]}",
            "persons": [f"p{each}" for each in persons],
        }


def _forge(frames: Frames, source: int, method: str, strength: float) -> Frames:
    whole, _ = forge(frames, source, method=method)
    return mix_pictures(frames, whole, strength)


def mix_pictures(real: Frames, forged: Frames, share: float) -> Frames:
    """Return `share` of one picture in the other, uint8."""
    both = real + np.float32(share) * (forged.astype(np.float32) - real)
    frames: Frames = np.rint(both).clip(0, 255).astype(np.uint8)
    return frames


def _face(detector: MtcnnDetector, frames: Frames) -> Box:
    """Return the square around the face in the first frame of a real clip."""
    faces = detector.detect(frames[0], None)
    if not faces:
        raise ValueError("no face in invented footage")
    return square_around(faces[0].box, margin_ratio=MARGIN_RATIO)


def _cut_squares(square: Box, clip: Frames, size_px: int, quality: int) -> list[bytes]:
    return [jpeg(cut_square(frame, square, size_px=size_px), quality) for frame in clip]


def jpeg(pixels: NDArray[np.uint8], quality: int = _QUALITY) -> bytes:
    """Return a picture as JPEG without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _film_rows(settings: ToyFilms, number: int, folder: Path) -> Iterator[dict[str, object]]:
    person = settings.first_person + number
    frames = talk(person, seconds=settings.seconds, size=SIZE)
    forged = _forge(frames, _FIRST_SOURCE + person % _SOURCES, "swap", settings.strength)
    for name, label, clip in (
        (f"{number:03d}", "real", frames),
        (f"{number:03d}-forged", "fake", forged),
    ):
        write_video(folder / f"{name}.mp4", clip, fps=FPS)
        yield {
            "id": f"{name}.mp4",
            "label": label,
            "method": None if label == "real" else "swap",
            "target": f"{number:03d}",
            "split": "train" if number < settings.training else "test",
        }
