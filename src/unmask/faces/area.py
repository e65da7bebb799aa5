"""Area-average resizing of a picture and of many windows of it, from one summed-area table.

MTCNN's networks were checked with PyTorch's `interpolate(mode="area")`, whose windows overlap; no
filter of Pillow or OpenCV does exactly that. A summed-area table gives the exact means, and the
price of a window does not depend on its size. Used by `mtcnn` only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Windows = NDArray[np.int64]
"""`(N, 4)` x0, y0, x1, y1: whole pixels, half-open, not empty, inside the picture."""


class AreaTable:
    """Summed-area table of a picture.

    Sums are kept modulo 2**32; differences are right as long as one averaged cell holds less than
    16 million pixels.

    Args:
        image: `(H, W, 3)` uint8.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.height, self.width = image.shape[:2]
        table = np.zeros((3, self.height + 1, self.width + 1), dtype=np.uint32)
        inner = table[:, 1:, 1:]
        np.cumsum(image.transpose(2, 0, 1), axis=2, dtype=np.uint32, out=inner)
        np.cumsum(inner, axis=1, out=inner)
        self._table = table

    def resize(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the whole picture as `(3, height, width)` means in [0, 255]."""
        top, bottom = _edges(np.array([0]), np.array([self.height]), height)
        left, right = _edges(np.array([0]), np.array([self.width]), width)
        rows = self._table[:, bottom[0]] - self._table[:, top[0]]
        sums = rows[:, :, right[0]] - rows[:, :, left[0]]
        cells = (bottom - top).reshape(-1, 1) * (right - left)
        means: NDArray[np.float32] = np.divide(sums, cells, dtype=np.float32)
        return means

    def crops(self, windows: Windows, size: int) -> NDArray[np.float32]:
        """Return windows of the picture as `(N, 3, size, size)` means in [0, 255]."""
        top, bottom = (e[:, :, None] for e in _edges(windows[:, 1], windows[:, 3], size))
        left, right = (e[:, None, :] for e in _edges(windows[:, 0], windows[:, 2], size))
        flat = self._table.reshape(3, -1)
        stride = self.width + 1
        sums = flat.take(bottom * stride + right, axis=1)
        sums -= flat.take(bottom * stride + left, axis=1)
        sums -= flat.take(top * stride + right, axis=1)
        sums += flat.take(top * stride + left, axis=1)
        cells = ((bottom - top) * (right - left)).astype(np.float32)
        return np.ascontiguousarray((sums.astype(np.float32) / cells).transpose(1, 0, 2, 3))


def _edges(
    start: NDArray[np.int64], stop: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each of `count` cells begins and ends, `(N, count)` each.

    Source: adaptive average pooling, cell i spans floor(i n / count) to ceil((i + 1) n / count).
    """
    index = np.arange(count, dtype=np.int64)
    length = (stop - start)[:, None]
    first = start[:, None] + index * length // count
    last = start[:, None] - (-(index + 1) * length // count)
    return first, last
