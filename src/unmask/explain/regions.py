"""Which part of a face a map lies on, in words: shares of its energy, from five landmarks.

A screen reader has no use for colours; 'mouth 61 %' it can read. Regions are rough shapes in units
of the face itself (the distance of the eyes, the way from the eyes to the mouth), so they turn and
grow with it. Each place belongs to one region: the first in `NAMES` that covers it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.explain.differentiable import Float

NAMES = ("eyes", "mouth", "nose", "forehead", "cheeks and chin", "face border", "background")
"""Regions, in the order in which they claim a place."""

_EYE_REACH = (0.36, 0.26)
_MOUTH_REACH = (0.30, 0.30)
_NOSE_REACH = (0.30, 0.55)
_BROWS = -0.3
"""Where the forehead begins, in ways from the eyes to the mouth."""
_INNER_REACH = (1.00, 1.30)
_OUTER_REACH = (1.30, 1.65)


def shares(
    saliency: Float, landmarks: NDArray[np.floating]
) -> tuple[tuple[str, float], ...] | None:
    """Return each region's share of a map's energy, the largest first.

    Args:
        saliency: `(S, S)`, not negative.
        landmarks: `(5, 2)` x, y in pixels of the map: eyes, nose, corners of the mouth.

    Returns:
        Names with shares that sum to 1; None where the map is empty or the landmarks have no
        extent.
    """
    total = float(saliency.sum(dtype=np.float64))
    regions = region_map(saliency.shape, landmarks)
    if total <= 0 or regions is None:
        return None
    energy = np.bincount(
        regions.ravel(), weights=saliency.ravel().astype(np.float64), minlength=len(NAMES)
    )
    ranked = sorted(zip(NAMES, energy / total, strict=True), key=lambda pair: -pair[1])
    return tuple((name, float(share)) for name, share in ranked)


def region_map(shape: tuple[int, ...], landmarks: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """Return the number of the region in `NAMES` at each pixel, `(S, S)`."""
    points = np.asarray(landmarks, dtype=np.float64).reshape(5, 2)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    height, width = float(np.hypot(*down)), float(np.hypot(*(points[1] - points[0])))
    if min(height, width) < 1:
        return None
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    axis = down / height

    def within(centre: NDArray[np.float64], reach: tuple[float, float]) -> NDArray[np.bool_]:
        """Mark an ellipse: reach across in eye distances, along in ways from eyes to mouth."""
        dx, dy = x - centre[0], y - centre[1]
        along, across = dx * axis[0] + dy * axis[1], dx * axis[1] - dy * axis[0]
        inside: NDArray[np.bool_] = (across / (reach[0] * width)) ** 2 + (
            along / (reach[1] * height)
        ) ** 2 <= 1
        return inside

    centre = eyes + 0.45 * down
    half_mouth = float(np.hypot(*(points[4] - points[3]))) / 2 / width
    inner = within(centre, _INNER_REACH)
    above_eyes = (x - eyes[0]) * axis[0] + (y - eyes[1]) * axis[1] < _BROWS * height
    claims = [
        within(points[0], _EYE_REACH) | within(points[1], _EYE_REACH),
        within(mouth, (half_mouth + _MOUTH_REACH[0], _MOUTH_REACH[1])),
        within((points[2] + eyes) / 2, _NOSE_REACH),
        inner & above_eyes,
        inner,
        within(centre, _OUTER_REACH),
    ]
    return np.select(claims, range(len(claims)), default=len(claims))


def describe_regions(regions: tuple[tuple[str, float], ...]) -> str:
    r"""Say where a map lies, regions under 5 % left out.

    >>> describe_regions((("mouth", 0.61), ("nose", 0.37), ("eyes", 0.02)))
    'mouth 61\xa0%, nose 37\xa0%'
    """
    large = [(name, share) for name, share in regions if share >= 0.05]
    return ", ".join(f"{name} {share * 100:.0f}\u00a0%" for name, share in large)
