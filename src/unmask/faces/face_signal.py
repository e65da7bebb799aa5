"""A face measured again in the full frame that it is cut from, and whether it is fit to be cut.

The first pass looks at small pictures a few times a second, so that the box of a chosen frame is
interpolated more often than not. Here the face is searched around that box in the frame itself.
What is not the track's face, or only a part of it, is told apart with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import Box, Face, Landmarks, Look
from unmask.core.media import PicturePart
from unmask.faces.appearance import best_likeness, look_at, worst_half
from unmask.faces.association import (
    CROWDED_GAP_RATIO,
    MOST_SIZE_RATIO,
    NEAR_RATIO,
    SIDES_PER_LOG_ODDS,
    UNLIKE,
    distance_ratio,
    gap_ratio,
    side,
)
from unmask.faces.detector import FaceDetector

NO_FACE = "no face at its place"
OTHER_FACE = "another face at its place"
ODD_LANDMARKS = "its points do not make a face"
CUT_OFF = "cut off by the edge of the picture"
HIDDEN = "partly hidden by another face"
COVERED = "partly covered"

_REGION_RATIO = 3.0
"""Side of the region that is searched over the longer side of the box."""
_REGION_PX = 288
"""Side of the region when it is searched: faces are 96 px then, which suits every detector."""
_SMALLEST_SHARE = 0.4
"""Faces smaller than this part of the expected one are not looked for."""
_LEAST_HALF_IN_CROWD = 0.6
"""Least correlation of a face's worse half with its own looks where another face is near: half
hidden faces reached 0.3 to 0.5."""
_LEAST_HALF = 0.0
"""The same where none is near; of whole faces fewer than 0.5 % are below."""
_STRANGE = -6.0
"""Log-odds: a face alone may turn so far that it is as unlike its looks as this."""
_LEAST_SHARE_INSIDE = 0.7
"""Least part of a face's box that lies in the picture."""
_POINT_SLACK = 0.2
"""How far a point may lie outside its box, in sides."""


@dataclass(frozen=True)
class Measurement:
    """A face as it was found in a frame."""

    face: Face
    """Box and points; the expected ones where it was not found."""
    detected: bool
    """Whether they were detected in this frame."""
    fault: str | None
    """Why the face is not fit to be cut; None where it is."""


def measure(
    detector: FaceDetector,
    picture: NDArray[np.uint8] | PicturePart,
    expected: Face,
    *,
    looks: Sequence[Look] = (),
    detected_before: bool = False,
) -> Measurement:
    """Search a track's face where it is expected in a frame, and check it.

    Args:
        detector: finds faces.
        picture: `(H, W, 3)` RGB, the whole frame, or the part of it that `search_square` names.
        expected: where the face should be.
        looks: what the track looks like; empty: not known.
        detected_before: whether `expected` was detected in this very frame, if in a smaller
            picture of it; then it stands where nothing is found now.
    """
    region = _Region.around(expected.box, picture.shape)
    pixels = region.cut(picture)
    smallest = round(_REGION_PX / _REGION_RATIO * _SMALLEST_SHARE)
    faces = detector.detect(pixels, smallest_px=smallest)
    seen = [(face, look_at(pixels, face.box, face.landmarks)) for face in faces]
    there = region.into(expected)
    best = min(range(len(seen)), key=lambda n: (_mismatch(there, *seen[n], looks), n), default=None)
    if best is not None and _mismatch(there, *seen[best], looks) < float("inf"):
        face, look = seen[best]
    elif detected_before:
        face, look, best = there, look_at(pixels, there.box, there.landmarks), None
    else:
        return Measurement(expected, detected=False, fault=NO_FACE)
    others = [other for n, (other, _) in enumerate(seen) if n != best and other is not face]
    if best is None:
        others = [o for o in others if distance_ratio(_array(o), _array(face)) > NEAR_RATIO]
    whole = region.out_of(face)
    fault = _fault(whole, picture.shape) or _doubt(face, look, others, looks)
    return Measurement(whole, detected=True, fault=fault)


def search_square(box: Box) -> Box:
    """Return the square that `measure` looks at for a face that is expected in a box, pixels."""
    x0, y0, x1, y1 = box
    x, y, reach = (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0) * _REGION_RATIO / 2
    return x - reach, y - reach, x + reach, y + reach


@dataclass(frozen=True)
class _Region:
    """A square of a picture that is searched at one size."""

    left: float
    top: float
    scale: float
    """Pixels of the search per pixel of the picture."""

    @classmethod
    def around(cls, box: Box, shape: Sequence[int]) -> _Region:
        """Return the region around a box that touches the picture."""
        x0, y0, x1, y1 = box
        reach = max(x1 - x0, y1 - y0, 1.0) * _REGION_RATIO / 2
        x, y = min(max((x0 + x1) / 2, 0), shape[1]), min(max((y0 + y1) / 2, 0), shape[0])
        return cls(x - reach, y - reach, _REGION_PX / (2 * reach))

    def cut(self, picture: NDArray[np.uint8] | PicturePart) -> NDArray[np.uint8]:
        """Return the region; beyond the picture's edge it is black, for nothing is there."""
        height, width = picture.shape[:2]
        reach = _REGION_PX / self.scale
        x0, y0 = max(self.left, 0.0), max(self.top, 0.0)
        x1, y1 = min(self.left + reach, width), min(self.top + reach, height)
        low = [round((x0 - self.left) * self.scale), round((y0 - self.top) * self.scale)]
        high = [round((x1 - self.left) * self.scale), round((y1 - self.top) * self.scale)]
        region = np.zeros((_REGION_PX, _REGION_PX, 3), dtype=np.uint8)
        size = (high[0] - low[0], high[1] - low[1])
        if min(size) > 0:
            c0, r0 = int(x0), int(y0)
            part = Image.fromarray(picture[r0 : int(np.ceil(y1)), c0 : int(np.ceil(x1))])
            box = (x0 - c0, y0 - r0, x1 - c0, y1 - r0)
            scaled = part.resize(size, Image.Resampling.BILINEAR, box=box)
            region[low[1] : high[1], low[0] : high[0]] = np.asarray(scaled)
        return region

    def into(self, face: Face) -> Face:
        """Return a face of the picture in pixels of the region."""
        return _move(face, (-self.left * self.scale, -self.top * self.scale), self.scale)

    def out_of(self, face: Face) -> Face:
        """Return a face of the region in pixels of the picture."""
        return _move(face, (self.left, self.top), 1 / self.scale)


def _move(face: Face, shift: tuple[float, float], scale: float) -> Face:
    dx, dy = shift
    x0, y0, x1, y1 = face.box
    box = (x0 * scale + dx, y0 * scale + dy, x1 * scale + dx, y1 * scale + dy)
    points = tuple((x * scale + dx, y * scale + dy) for x, y in face.landmarks)
    return Face(box, points, face.confidence)  # type: ignore[arg-type]  # five, as they were


def _array(face: Face) -> NDArray[np.float64]:
    return np.array(face.box, dtype=np.float64)


def _mismatch(expected: Face, face: Face, look: Look, looks: Sequence[Look]) -> float:
    """Return how badly a face fits what is expected, in sides; infinite where it cannot be it."""
    distance = distance_ratio(_array(expected), _array(face))
    sizes = side(_array(expected)), side(_array(face))
    if distance > NEAR_RATIO or max(sizes) > MOST_SIZE_RATIO * min(sizes):
        return float("inf")
    like = best_likeness(look, looks)
    return distance - SIDES_PER_LOG_ODDS * (0.0 if like is None else like)


def _fault(face: Face, shape: Sequence[int]) -> str | None:
    """Say what is wrong with where a face lies in its picture."""
    height, width = shape[:2]
    x0, y0, x1, y1 = face.box
    inside = max(0.0, min(x1, width) - max(x0, 0)) * max(0.0, min(y1, height) - max(y0, 0))
    cut_off = inside < _LEAST_SHARE_INSIDE * (x1 - x0) * (y1 - y0)
    if cut_off or any(not (0 <= x <= width and 0 <= y <= height) for x, y in face.landmarks):
        return CUT_OFF
    return None if is_face_shaped(face.box, face.landmarks) else ODD_LANDMARKS


def is_face_shaped(box: Box, landmarks: Landmarks) -> bool:
    """Tell whether five points can be those of a face: in its box, the nose between eyes and mouth.

    However the head is turned in the picture, and whether it is seen from the side.
    """
    points = np.array(landmarks, dtype=np.float64)
    low, high = np.array(box[:2]), np.array(box[2:])
    slack = _POINT_SLACK * (high - low)
    if (points < low - slack).any() or (points > high + slack).any():
        return False
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down, across = mouth - eyes, points[1] - points[0] + points[4] - points[3]
    length = float(np.linalg.norm(down))
    if length < _POINT_SLACK * float((high - low).min()):
        return False
    nose = float((points[2] - eyes) @ down) / length**2
    upright = float(across[0] * down[1] - across[1] * down[0])
    return -0.2 <= nose <= 1.2 and upright > -0.1 * length**2


def _doubt(face: Face, look: Look, others: Sequence[Face], looks: Sequence[Look]) -> str | None:
    """Say what speaks against a face being the track's, whole."""
    near = any(gap_ratio(_array(face), _array(other)) < CROWDED_GAP_RATIO for other in others)
    like, half = best_likeness(look, looks), worst_half(look, looks)
    if like is not None and like < (UNLIKE if near else _STRANGE):
        return OTHER_FACE
    if half is None:
        return None
    if near and half < _LEAST_HALF_IN_CROWD:
        return HIDDEN
    return COVERED if half < _LEAST_HALF else None
