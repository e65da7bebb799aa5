"""Cutting a face out of a picture: square, with margin, mirrored where it reaches over the edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import Box
from unmask.core.media import PicturePart

Pixels = NDArray[np.uint8]


def square_around(box: Box, *, margin_ratio: float, shift_y_ratio: float = 0.0) -> Box:
    """Return the square that is cut for a face box.

    Args:
        box: the face, XYXY pixels.
        margin_ratio: side of the square over the longer side of the box.
        shift_y_ratio: how far the square's centre lies below the box's, in sides of the square.

    >>> square_around((10, 10, 20, 30), margin_ratio=1.5)
    (0.0, 5.0, 30.0, 35.0)
    """
    x0, y0, x1, y1 = box
    side = max(x1 - x0, y1 - y0) * margin_ratio
    if side <= 0:
        raise ValueError(f"a box has a width and a height above zero, got {box}")
    left = (x0 + x1 - side) / 2
    top = (y0 + y1 - side) / 2 + shift_y_ratio * side
    return left, top, left + side, top + side


def within_square(points: tuple[float, ...], square: Box, *, size_px: int) -> tuple[float, ...]:
    """Return points x, y, x, y, ... of a frame in pixels of a square that was cut out of it.

    >>> within_square((15.0, 10.0), (10.0, 10.0, 20.0, 20.0), size_px=100)
    (50.0, 0.0)
    """
    scale = size_px / (square[2] - square[0])
    return tuple((value - square[at % 2]) * scale for at, value in enumerate(points))


def cut_square(image: Pixels | PicturePart, square: Box, *, size_px: int) -> Pixels:
    """Cut a square and resize it (bilinear, antialiased).

    Args:
        image: `(H, W, 3)` RGB, or `(H, W)` luma; or a part of one.
        square: XYXY pixels; what lies outside the picture is mirrored in.
        size_px: side of the result.

    Returns:
        `(size_px, size_px, 3)` or `(size_px, size_px)` uint8.
    """
    height, width = image.shape[:2]
    x0, y0 = int(np.floor(square[0])) - 1, int(np.floor(square[1])) - 1
    x1, y1 = int(np.ceil(square[2])) + 1, int(np.ceil(square[3])) + 1
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        window = image[y0:y1, x0:x1]
    else:
        rows, columns = _mirror_positions(y0, y1, height), _mirror_positions(x0, x1, width)
        window = image[rows[:, None], columns[None, :]]
    resized = _as_image(np.ascontiguousarray(window)).resize(
        (size_px, size_px),
        Image.Resampling.BILINEAR,
        box=(square[0] - x0, square[1] - y0, square[2] - x0, square[3] - y0),
    )
    return np.asarray(resized, dtype=np.uint8)


def cut_window(image: Pixels | PicturePart, square: Box, *, largest_px: int) -> tuple[Box, Pixels]:
    """Cut the whole pixels that a square lies on, so that it can be cut again as from the picture.

    The window holds one pixel more on each side, as `cut_square` looks at. Nothing is resized but
    windows larger than `largest_px`.

    Args:
        image: `(H, W, 3)` RGB, or `(H, W)` luma; or a part of one.
        square: XYXY pixels; what lies outside the picture is mirrored in.
        largest_px: side of the result at most.

    Returns:
        The window, XYXY pixels, square and on whole pixels; and its picture.
    """
    left, top = int(np.floor(square[0])) - 1, int(np.floor(square[1])) - 1
    right, bottom = int(np.ceil(square[2])) + 1, int(np.ceil(square[3])) + 1
    side = max(right - left, bottom - top)
    window = (float(left), float(top), float(left + side), float(top + side))
    return window, cut_square(image, window, size_px=min(side, largest_px))


def _as_image(window: Pixels) -> Image.Image:
    """Return pixels as Pillow's; luma is not copied, which takes longer than the rest."""
    if window.ndim == 3:
        return Image.fromarray(window)
    height, width = window.shape
    return Image.frombuffer("L", (width, height), window, "raw", "L", 0, 1)


def _mirror_positions(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Positions `start..stop` folded into `0..length` by mirroring at both ends, edge repeated."""
    folded = np.arange(start, stop) % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)
