"""Forgeries of invented footage: another person's face laid over the head, with the exact mask.

As in the data sets imitated: the faces of both clips are found, the source's is brought onto the
target's by five landmarks, recoloured, and blended in through a soft mask. That mask is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from unmask.datasets.synth.landmarks import Points, landmarks
from unmask.datasets.synth.talking_head import Frames, talk

FOUND_EVERY = 5
"""Frames from one detection of the face to the next; between them landmarks are interpolated."""
DONOR_FRAMES = 10
"""Frames of the source that are used, forth and back."""
DONOR_TAKE = 1_000_003
"""Take of the source's footage; no data set made here uses it as a clip."""


@dataclass(frozen=True)
class Method:
    """How a forgery is made."""

    outline: Callable[[Points], Points]
    """Outline of what is replaced, `(N, 2)` from `(5, 2)` landmarks: eyes, nose, mouth."""
    softness: float
    """Blur of the mask's edge, relative to the distance of the eyes."""
    blur_px: float
    """Blur of the face that is put in."""
    recolour: float
    """How far its colours are brought to the target's, 0 to 1."""


def _axes(points: Points) -> tuple[Points, Points, Points, Points]:
    """Return the middles of eyes and mouth, and the steps between the eyes and down the face."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    return eyes, mouth, points[1] - points[0], mouth - eyes


def _whole_face(points: Points) -> Points:
    """Return an outline from the brows to the chin."""
    eyes, mouth, across, down = _axes(points)
    angles = np.linspace(0, 2 * np.pi, 33)[:-1, None]
    middle = (eyes + mouth) / 2 + 0.1 * down
    return middle + 0.92 * np.cos(angles) * across + 1.08 * np.sin(angles) * down


def _mouth(points: Points) -> Points:
    """Return an outline of the mouth with the chin."""
    _, mouth, across, down = _axes(points)
    angles = np.linspace(0, 2 * np.pi, 33)[:-1, None]
    return mouth + 0.1 * down + 0.68 * np.cos(angles) * across + 0.48 * np.sin(angles) * down


METHODS: dict[str, Method] = {
    "swap": Method(_whole_face, softness=0.1, blur_px=0.5, recolour=0.75),
    "mouth": Method(_mouth, softness=0.12, blur_px=0.4, recolour=0.9),
    "soft": Method(_whole_face, softness=0.2, blur_px=1.1, recolour=0.95),
    "sharp": Method(_whole_face, softness=0.03, blur_px=0.0, recolour=0.5),
}
"""Ways to forge, by name; a data set's methods are each made in one of these ways."""


def forge(target: Frames, source_person: int, *, method: str) -> tuple[Frames, NDArray[np.uint8]]:
    """Replace the face of a clip; the same arguments give the same frames.

    Args:
        target: `(T, H, W, 3)` uint8 RGB with one face, as from `talk`; not changed.
        source_person: number of the person whose face is put in.
        method: one of `METHODS`.

    Returns:
        Frames of the same shape, and masks `(T, H, W)` uint8: 255 where the picture was replaced
        fully, 0 where it is untouched.

    Raises:
        ValueError: unknown method, or no face in the target.
    """
    if method not in METHODS:
        raise ValueError(f"no way to forge {method!r}; there are: {', '.join(METHODS)}")
    way = METHODS[method]
    height, width = target.shape[1:3]
    donors, donor_points = _donor(source_person, (width, height))
    frames, masks = target.copy(), np.zeros(target.shape[:3], np.uint8)
    for number, points in enumerate(landmarks(target, FOUND_EVERY)):
        turn = number % (2 * DONOR_FRAMES - 2)
        donor = min(turn, 2 * DONOR_FRAMES - 2 - turn)
        region, points_there = _region(way, points, (width, height))
        masks[number][region] = mask = _mask(way, points_there, masks[number][region].shape)
        face = _align(donors[donor], donor_points[donor], points_there, mask.shape)
        blurred = np.asarray(face.filter(ImageFilter.GaussianBlur(way.blur_px)))
        frames[number][region] = _blend(target[number][region], blurred, mask, way.recolour)
    return frames, masks


@lru_cache(maxsize=16)
def _donor(person: int, size: tuple[int, int]) -> tuple[Frames, Points]:
    """Return a little footage of the source and its landmarks, `(N, 5, 2)`."""
    frames = talk(person, take=DONOR_TAKE, seconds=DONOR_FRAMES / 25, size=size)
    return frames, landmarks(frames, 3)


def _region(
    way: Method, points: Points, size: tuple[int, int]
) -> tuple[tuple[slice, slice], Points]:
    """Return the part of the frame with the mask in it, and the landmarks in that part."""
    outline, margin = way.outline(points), 3 * way.softness * _apart(points) + 2
    left, top = np.floor(outline.min(0) - margin).clip(0).astype(int)
    right, bottom = np.ceil(outline.max(0) + margin).clip(0, size).astype(int)
    return np.s_[top:bottom, left:right], points - (left, top)


def _align(
    donor: Frames, donor_points: Points, points: Points, shape: tuple[int, ...]
) -> Image.Image:
    """Bring a source frame onto the target's landmarks (least squares, affine)."""
    known = np.column_stack([points, np.ones(5)])
    solved = np.linalg.lstsq(known, donor_points, rcond=None)[0]
    coefficients = tuple(float(value) for value in solved.T.ravel())
    return Image.fromarray(donor).transform(
        (shape[1], shape[0]),
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BICUBIC,
    )


def _mask(way: Method, points: Points, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    mask = Image.new("L", (shape[1], shape[0]))
    outline = [(float(x), float(y)) for x, y in way.outline(points)]
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(way.softness * _apart(points))))


def _apart(points: Points) -> float:
    """Return the distance of the eyes."""
    return float(np.hypot(*(points[1] - points[0])))


def _blend(
    target: Frames, face: Frames, mask: NDArray[np.uint8], recolour: float
) -> NDArray[np.uint8]:
    """Lay a face over a frame, its mean colours brought near to those it covers."""
    inside = mask > 127
    put_in = face.astype(np.float32)
    offset = target[inside].mean(0) - put_in[inside].mean(0)
    put_in += np.float32(recolour) * offset.astype(np.float32)
    share = (mask.astype(np.float32) / 255)[..., None]
    mixed = target + share * (put_in - target)
    blended: NDArray[np.uint8] = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return blended
