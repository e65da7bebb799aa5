"""The mean face: 79 landmarks fitted to the five that a face detector gives.

The mean was measured here: the medians of 3136 nearly frontal faces of CelebA, whose points were
found by MediaPipe's face mesh (0.10.9, Apache-2.0), made symmetric. It is in units of the distance
of the eyes, with the point between them as its origin, y downwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

FIVE = np.array(
    (
        (-0.500, 0.000),
        (0.500, 0.000),
        (0.000, 0.561),
        (-0.423, 0.978),
        (0.423, 0.978),
    )
)
"""Eyes, nose, corners of the mouth: the points of YuNet on the mean face, `(5, 2)`."""
SHAPE = np.array(
    (
        (-1.043, -0.198),
        (-1.046, 0.246),
        (-1.031, 0.468),
        (-0.932, 0.959),
        (-0.835, 1.165),
        (-0.723, 1.315),
        (-0.461, 1.548),
        (-0.190, 1.694),
        (0.000, 1.717),
        (0.190, 1.694),
        (0.461, 1.548),
        (0.723, 1.315),
        (0.835, 1.165),
        (0.932, 0.959),
        (1.031, 0.468),
        (1.046, 0.246),
        (1.043, -0.198),
        (-0.933, -0.297),
        (-0.774, -0.306),
        (-0.625, -0.346),
        (-0.433, -0.329),
        (-0.219, -0.300),
        (0.219, -0.300),
        (0.433, -0.329),
        (0.625, -0.346),
        (0.774, -0.306),
        (0.933, -0.297),
        (0.000, -0.043),
        (0.000, 0.193),
        (0.000, 0.413),
        (0.000, 0.550),
        (-0.198, 0.660),
        (-0.115, 0.723),
        (0.000, 0.730),
        (0.115, 0.723),
        (0.198, 0.660),
        (-0.696, -0.008),
        (-0.591, -0.064),
        (-0.428, -0.073),
        (-0.267, 0.025),
        (-0.400, 0.051),
        (-0.560, 0.048),
        (0.267, 0.025),
        (0.428, -0.073),
        (0.591, -0.064),
        (0.696, -0.008),
        (0.560, 0.048),
        (0.400, 0.051),
        (-0.417, 0.997),
        (-0.248, 0.924),
        (-0.123, 0.909),
        (0.000, 0.926),
        (0.123, 0.909),
        (0.248, 0.924),
        (0.417, 0.997),
        (0.231, 1.181),
        (0.124, 1.226),
        (0.000, 1.240),
        (-0.124, 1.226),
        (-0.231, 1.181),
        (-0.360, 0.994),
        (-0.098, 1.002),
        (0.000, 1.007),
        (0.098, 1.002),
        (0.360, 0.994),
        (0.103, 1.089),
        (0.000, 1.096),
        (-0.103, 1.089),
        (-0.995, -0.377),
        (-0.907, -0.542),
        (-0.763, -0.673),
        (-0.538, -0.758),
        (-0.291, -0.797),
        (0.000, -0.804),
        (0.291, -0.797),
        (0.538, -0.758),
        (0.763, -0.673),
        (0.907, -0.542),
        (0.995, -0.377),
    )
)
"""Jaw 17, brows 10, nose 9, eyes 12, mouth 20, forehead 11, `(79, 2)`."""

_REACH = 0.6
"""How far a shifted point of the five takes its surroundings along, in distances of the eyes."""


def fitted_shape(five: Points) -> Points:
    """Return the 79 landmarks of a face of which five are known.

    The mean face is laid over the five by the similarity that fits best; what they are off by then
    bends their surroundings.

    Args:
        five: `(5, 2)` eyes, nose and corners of the mouth, from the picture's left to its right.

    Returns:
        `(79, 2)` in the same pixels.
    """
    turn, shift = similarity(FIVE, five)
    rest = five - (FIVE @ turn.T + shift)
    distance = np.linalg.norm(SHAPE[:, None] - FIVE[None], axis=2)
    pull = np.exp(-((distance / _REACH) ** 2))
    pull /= np.maximum(pull.sum(axis=1, keepdims=True), 1.0)
    return SHAPE @ turn.T + shift + pull @ rest


def similarity(a: Points, b: Points) -> tuple[Points, Points]:
    """Return the turn with scale `(2, 2)` and the shift `(2,)` that take points a to b best.

    Args:
        a: `(N, 2)`.
        b: `(N, 2)`.
    """
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    x, y = (a - mean_a).T
    u, v = (b - mean_b).T
    size = float((x**2 + y**2).sum())
    p, q = float((x * u + y * v).sum()) / size, float((x * v - y * u).sum()) / size
    turn = np.array(((p, -q), (q, p)))
    return turn, mean_b - turn @ mean_a
