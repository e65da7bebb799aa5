"""Maps that know nothing of the network: what a method must beat to be worth showing.

Faces stand in the middle of their crops, so a blob in the middle looks reasonable on every one.
"""

from __future__ import annotations

import numpy as np

from unmask.explain.differentiable import Float
from unmask.explain.maps import enlarge

BASELINES = ("centre", "random")
_CENTRE_RATIO = 0.25
"""Standard deviation of the blob over the side of the picture."""
_RANDOM_CELLS = 7
"""Cells of the random map along a side: as coarse as a class activation map."""


def centre(size_px: int) -> Float:
    """Return a Gaussian blob in the middle, `(S, S)` in [0, 1]."""
    place = (np.arange(size_px) + 0.5) / size_px - 0.5
    bell = np.exp(-0.5 * (place / _CENTRE_RATIO) ** 2)
    blob = np.outer(bell, bell)
    scaled: Float = (blob / blob.max()).astype(np.float32)
    return scaled


def random(size_px: int, *, seed: int) -> Float:
    """Return a map of random cells, `(S, S)` in [0, 1]."""
    cells = np.random.default_rng(seed).random((_RANDOM_CELLS, _RANDOM_CELLS), np.float32)
    return enlarge(cells, size_px)
