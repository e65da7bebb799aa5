"""The window of a wide crop that a network sees, with the face's landmarks in its pixels.

Tables of wide crops tell the face's box and landmarks (`tools/wide_material.py`); the window is
what a scan would cut for that box, jittered.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from unmask.training.face_shape import fitted_shape
from unmask.training.forgeries import FacePicture
from unmask.training.hulls import POINTS, Points

_SHIFT = 0.04
_TURNED_SHARE, _LARGEST_TURN = 0.3, 8.0
_MARGINS = (0.92, 1.12)
"""The window's margin over that of the network: YuNet's boxes tremble, other detectors' differ."""


def read_landmarks(numbers: tuple[float, ...]) -> Points:
    """Return `(79, 2)` landmarks; five points are filled up by the mean face.

    Args:
        numbers: x and y in turn.
    """
    points = np.array(numbers).reshape(-1, 2)
    return points if len(points) == POINTS else fitted_shape(points)


def face_window(
    image: Image.Image,
    box: tuple[float, ...],
    points: Points,
    rng: np.random.Generator,
    *,
    margin_ratio: float,
    largest_px: int,
) -> FacePicture:
    """Cut a window around a face, jittered in place, size and turn, and flipped half of the time.

    Args:
        image: wide square crop.
        box: XYXY box of the face in it.
        points: `(79, 2)` landmarks in it.
        rng: source of randomness.
        margin_ratio: side of the window over the longer side of the box.
        largest_px: side of the result at most; it is never enlarged.
    """
    longer = max(box[2] - box[0], box[3] - box[1])
    side = longer * margin_ratio * rng.uniform(*_MARGINS)
    centre = np.array((box[0] + box[2], box[1] + box[3])) / 2
    centre += rng.uniform(-_SHIFT, _SHIFT, size=2) * side
    turn = np.deg2rad(rng.uniform(-_LARGEST_TURN, _LARGEST_TURN))
    turn *= rng.random() < _TURNED_SHARE
    flip = -1.0 if rng.random() < 0.5 else 1.0
    return _window(image, points, centre, side=side, turn=turn, flip=flip, largest_px=largest_px)


def plain_window(
    image: Image.Image,
    box: tuple[float, ...],
    points: Points,
    *,
    margin_ratio: float,
    largest_px: int,
) -> FacePicture:
    """Cut the window that a scan cuts, without jitter; arguments are those of `face_window`."""
    side = max(box[2] - box[0], box[3] - box[1]) * margin_ratio
    centre = np.array((box[0] + box[2], box[1] + box[3])) / 2
    return _window(image, points, centre, side=side, turn=0.0, flip=1.0, largest_px=largest_px)


def _window(
    image: Image.Image,
    points: Points,
    centre: Points,
    *,
    side: float,
    turn: float,
    flip: float,
    largest_px: int,
) -> FacePicture:
    size_px = max(16, min(largest_px, round(side)))
    scale = side / size_px
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    # from the window's pixels to the crop's
    matrix = np.array(((cosine * flip, -sine), (sine * flip, cosine)))
    offset = centre - matrix @ np.full(2, size_px / 2)
    (a, b), (c, d) = matrix
    source = image
    if scale > 1.3:  # PIL's transform does not filter
        source = image.reduce(int(scale + 0.5))
        (a, b), (c, d) = matrix / int(scale + 0.5)
        offset = offset / int(scale + 0.5)
    window = source.transform(
        (size_px, size_px), Image.Transform.AFFINE, (a, b, offset[0], c, d, offset[1]),
        Image.Resampling.BICUBIC,
    )  # fmt: skip
    offset = centre - matrix @ np.full(2, size_px / 2)
    moved = (points - offset) @ np.linalg.inv(matrix).T
    return FacePicture(window, _relabel(moved) if flip < 0 else moved)


_PAIRS = (
    [(i, 16 - i) for i in range(17)] + [(17 + i, 26 - i) for i in range(10)]
    + [(i, i) for i in range(27, 31)] + [(31 + i, 35 - i) for i in range(5)]
    + [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    + [(45, 36), (44, 37), (43, 38), (42, 39), (47, 40), (46, 41)]
    + [(48 + i, 54 - i) for i in range(7)] + [(55 + i, 59 - i) for i in range(5)]
    + [(60 + i, 64 - i) for i in range(5)] + [(65 + i, 67 - i) for i in range(3)]
    + [(68 + i, 78 - i) for i in range(11)]
)  # fmt: skip
_MIRRORED = np.array([other for _, other in sorted(_PAIRS)])


def _relabel(points: Points) -> Points:
    """Return mirrored landmarks in their order again."""
    return points[_MIRRORED]
