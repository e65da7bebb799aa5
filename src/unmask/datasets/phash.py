"""Perceptual hashes: 64 bits of a picture that survive compression and scaling.

The audit finds near-duplicate frames with them. A picture's luma is reduced to 32 x 32, and of its
discrete cosine transform the 8 x 8 coefficients of lowest frequency, without those that are
constant along a side, are compared with their median.

Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (DCT hash).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 32
"""Side of the reduced picture."""
BITS = 64
"""Bits of a hash."""
DEFAULT_THRESHOLD_BITS = 4
"""Hashes that differ in at most so many bits are of near-duplicates. Measured on face crops, the
hardest case since all are framed alike: halved and saved as JPEG of quality 30, 90 % stay within 4
bits of the original and all within 6; of 3,000 CelebA faces of other persons none has another
within 4, 0.1 % have one within 6 and 9 % within 10. Of whole frames, three fakes of
FaceForensics++ are 0 bits from their originals; 54 other clips are 12 or more from each other."""
FLAT_STD = 4.0
"""Below this standard deviation of the reduced luma, in grey levels, a picture (black, a fade) has
nothing to compare; noise would decide its bits."""
_CHUNK = 2**22
"""Distances computed at a time."""


def small_luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Reduce a picture.

    Args:
        image: `(H, W, 3)` RGB.

    Returns:
        `(32, 32)` luma in grey levels, each the mean of the area that it stands for.
    """
    grey = Image.fromarray(image).convert("L")
    return np.asarray(grey.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), dtype=np.float64)


def is_flat(luma: NDArray[np.float64]) -> bool:
    """Tell whether a reduced picture has too little contrast to be compared."""
    return bool(luma.std() < FLAT_STD)


def phash(luma: NDArray[np.float64]) -> int:
    """Return the 64-bit hash of a `(32, 32)` reduced picture; its first coefficient is bit 63."""
    coefficients = (_COSINES @ luma @ _COSINES.T).ravel()
    bits = coefficients > np.median(coefficients)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _cosines() -> NDArray[np.float64]:
    """Return rows 1 to 8 of the orthonormal DCT-II matrix, `(8, 32)`."""
    frequency, place = np.arange(1, 9)[:, None], np.arange(SIDE_PX)[None]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE_PX))
    return np.asarray(waves * np.sqrt(2 / SIDE_PX), dtype=np.float64)


_COSINES = _cosines()


@dataclass(frozen=True, eq=False)
class Nearest:
    """The most similar reference of each hash asked for."""

    distances: NDArray[np.uint8]
    """`(N,)` differing bits, 0 to 64."""
    indices: NDArray[np.int64]
    """`(N,)` place of the reference; the first of equally near ones."""

    def __repr__(self) -> str:
        """Show the extent, not the arrays."""
        return f"Nearest({len(self.distances)} hashes)"


def nearest(hashes: NDArray[np.uint64], references: NDArray[np.uint64]) -> Nearest:
    """Find the nearest reference of each hash, by comparing all with all.

    Args:
        hashes: `(N,)`.
        references: `(M,)`, at least one.
    """
    if not len(references):
        raise ValueError("there is no reference to compare with")
    step = max(1, _CHUNK // len(references))
    distances = np.empty(len(hashes), dtype=np.uint8)
    indices = np.empty(len(hashes), dtype=np.int64)
    for start in range(0, len(hashes), step):
        rows = slice(start, start + step)
        differing = np.bitwise_count(hashes[rows, None] ^ references[None])
        indices[rows] = differing.argmin(axis=1)
        distances[rows] = differing.min(axis=1)
    return Nearest(distances, indices)
