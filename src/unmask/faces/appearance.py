"""What a face looks like, small: enough to tell two people in one film apart, and no more.

A look holds the face in grey, turned upright by its five points, and the head with its hair in a
hundred colours. This is no face recognition: it tells whether a face is the one of a moment ago, or
of an earlier shot much like this one. Looks live in memory for the length of a scan and are never
written. How often they err is in `docs/tracking.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import Box, Look

FACE_PX = 32
"""Side of the upright face."""
HEAD_PX = 10
"""Side of the head."""
MOST_LOOKS = 8
"""Looks that are kept of a track."""
_HEAD_RATIO = 1.375
"""Side of the head over the longer side of the face box: hair and ears, little behind them."""
_FINER_FACE, _FINER_HEAD = 2, 4
"""Looks are sampled finer by this and averaged, so that large faces do not alias."""
_TEMPLATE = np.array([[0.31, 0.36], [0.69, 0.36], [0.50, 0.58], [0.34, 0.79], [0.66, 0.79]])
"""Where the five points lie in the upright face, shares of its side: from the brows to the chin."""
_WEIGHTS = (3.2, 12.9, -0.65)
_BIAS = -3.5
"""Logistic regression over pairs of detections half a second apart in one clip against pairs from
clips of two people (57 clips): weights of face, head and colour."""
_UNKNOWN_COLOUR = 6.0
"""Stands for the difference in colour where one look is grey: as large as 95 % within a face."""
_GREY_LEVELS = 3.0
"""A look whose channels differ less has no colour."""
_SAME_AGAIN = 9.0
"""A look that is as like to one that is kept adds nothing."""


def look_at(
    picture: NDArray[np.uint8], box: Box, landmarks: Sequence[Sequence[float]] | NDArray[np.float64]
) -> Look:
    """Return the look of a face.

    Args:
        picture: `(h, w, 3)` RGB; beyond its edges all is black.
        box: of the face, XYXY pixels.
        landmarks: its five points, pixels.
    """
    image = Image.fromarray(picture)
    return Look(_upright(image, np.asarray(landmarks, dtype=np.float64)), _head(image, box))


def _upright(image: Image.Image, landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    side = FACE_PX * _FINER_FACE
    turn, shift = _similarity(_TEMPLATE * side, landmarks)
    # PIL wants the map from a pixel of the result to its place in the picture
    rows = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    cut = image.transform((side, side), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)
    return _average(np.asarray(cut.convert("L"), dtype=np.float32), _FINER_FACE)


def _head(image: Image.Image, box: Box) -> NDArray[np.float32]:
    side = HEAD_PX * _FINER_HEAD
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach = max(box[2] - box[0], box[3] - box[1]) * _HEAD_RATIO / 2
    extent = (x - reach, y - reach, x + reach, y + reach)
    cut = image.transform((side, side), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR)
    return _average(np.asarray(cut, dtype=np.float32), _FINER_HEAD)


def _average(fine: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    side = fine.shape[0] // times
    blocks: NDArray[np.float32] = fine.reshape(side, times, side, times, *fine.shape[2:])
    mean: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return mean


def _similarity(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[complex, complex]:
    """Return a and b of the map z -> a z + b that brings points nearest to others."""
    z, w = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    centred = z - z.mean()
    turn = complex(np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real)
    return turn, complex(w.mean() - turn * z.mean())


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """Return the normalised correlation of two arrays; None where one is flat.

    >>> ramp = np.arange(4, dtype=np.float32)
    >>> correlation(ramp, 3 * ramp), correlation(ramp, np.zeros(4, np.float32))
    (1.0, None)
    """
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return round(float((a * b).sum()) / norm, 6) if norm > one.size else None


def likeness(one: Look, other: Look) -> float | None:
    """Return log-odds that two looks are of one face; None where one is flat."""
    if _is_grey(one) or _is_grey(other):
        heads, colour = (one.head.mean(axis=2), other.head.mean(axis=2)), _UNKNOWN_COLOUR
    else:
        heads, colour = (one.head, other.head), _colour_difference(one, other)
    face, head = correlation(one.face, other.face), correlation(*heads)
    if face is None or head is None:
        return None
    return float(np.dot(_WEIGHTS, (face, head, colour))) + _BIAS


def _is_grey(look: Look) -> bool:
    return float(np.ptp(look.head, axis=2).max()) < _GREY_LEVELS


def _colour_difference(one: Look, other: Look) -> float:
    """Return the mean difference of what is colour and not light, grey levels."""
    chroma = one.head - one.head.mean(axis=2, keepdims=True)
    return float(np.abs(chroma - (other.head - other.head.mean(axis=2, keepdims=True))).mean())


def best_likeness(look: Look, looks: Sequence[Look]) -> float | None:
    """Return how like a look is to the likest of others; None where none can be compared."""
    return max((v for each in looks if (v := likeness(look, each)) is not None), default=None)


def worst_half(look: Look, looks: Sequence[Look]) -> float | None:
    """Return how well a face's least fitting half correlates with the best fitting look.

    A face that is half behind something fits its own looks with one half and not with the other.
    """
    half = FACE_PX // 2
    first, second = slice(half), slice(half, None)
    halves = ((..., first), (..., second), (first, ...), (second, ...))
    fits = [[correlation(look.face[h], each.face[h]) for h in halves] for each in looks]
    return max(
        (min(f) for fit in fits if len(f := [v for v in fit if v is not None]) == 4), default=None
    )


def remember(looks: list[Look], look: Look) -> list[Look]:
    """Return the looks of a track with one more, where it adds something.

    When they are too many every second one goes, so that those that stay are spread over the time.
    """
    like = best_likeness(look, looks)
    if looks and (like is None or like >= _SAME_AGAIN):
        return looks
    grown = [*looks, look]
    return grown[::2] if len(grown) > MOST_LOOKS else grown
