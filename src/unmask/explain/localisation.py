"""Does a map point at the forgery? Measured against the exact mask of what was replaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.explain.agreement import top_places
from unmask.explain.differentiable import Float

MANIPULATED = 128
"""From this value on a pixel of a mask counts as manipulated."""


@dataclass(frozen=True)
class Localisation:
    """How well a map and a mask go together."""

    energy: float
    """Share of the map's energy inside the mask."""
    pointing: float
    """1 where the map's maximum lies inside the mask, else 0."""
    overlap: float
    """Intersection over union of the mask and as many of the map's strongest places."""


def localise(saliency: Float, mask: NDArray[np.uint8]) -> Localisation | None:
    """Compare a map with a mask.

    Args:
        saliency: `(S, S)`, not negative.
        mask: `(S, S)` uint8.

    Returns:
        None where the map is empty, or the mask is empty or covers everything: nothing can be told.
    """
    if saliency.shape != mask.shape:
        raise ValueError(f"a map of {saliency.shape} and a mask of {mask.shape} do not fit")
    inside = mask >= MANIPULATED
    total = float(saliency.sum(dtype=np.float64))
    if total <= 0 or not inside.any() or inside.all():
        return None
    top = top_places(saliency, float(inside.mean()))
    return Localisation(
        energy=float(saliency[inside].sum(dtype=np.float64)) / total,
        pointing=float(inside.ravel()[saliency.argmax()]),
        overlap=float((top & inside).sum() / (top | inside).sum()),
    )
