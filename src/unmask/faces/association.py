"""Which detection is which face: where a face should be by now, and what it looks like.

A pair of a track and a detection is allowed where the detection lies near the track's box or where
its motion leads, farther away only where it clearly looks the same, and nowhere where it clearly
looks like somebody else. Among what is allowed the cheapest pairing of all is taken. As in
ByteTrack, detections that the detector is sure of are paired first.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Look
from unmask.faces.appearance import best_likeness
from unmask.faces.assignment import assign

Rectangle = NDArray[np.float64]
"""`(4,)` XYXY pixels."""

NEAR_RATIO = 0.75
"""Between centres, in sides of the boxes: boxes of one size that are shifted by it still share a
seventh of their joint area."""
_REACH_RATIO_PER_SECOND = 2.0
"""How much farther a face may be that clearly looks the same: heads start and stop at will."""
_LIKE_ENOUGH = 3.0
"""Log-odds: one in twenty. Of pairs half a second apart, 5 % are less like."""
UNLIKE = -1.0
"""Log-odds: who looks less like a track than this is somebody else. Of pairs of one face half a
second apart 0.5 % are less like; of pairs of two people 98 %."""
MOST_SIZE_RATIO = 1.8
"""Between the sides of two boxes of one face."""
CROWDED_GAP_RATIO = 0.5
"""Faces with a narrower gap between their boxes may hide parts of each other: hair, ears and
shoulders reach about as far."""
SIDES_PER_LOG_ODDS = 0.1
"""Exchange rate between looks and distance."""
_LOG_ODDS_RANGE = (-5.0, 10.0)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One detected face."""

    geometry: NDArray[np.float64]
    """`(14,)` box and five points, pixels."""
    confidence: float
    """The detector's score."""
    look: Look
    """What it looks like."""

    @property
    def box(self) -> Rectangle:
        """Its box."""
        return self.geometry[:4]


@dataclass(frozen=True, eq=False)
class Expectation:
    """Where a track's face may be and what it looks like."""

    boxes: tuple[Rectangle, ...]
    """Where it should be by now, and where it was: heads turn and stop within half a second."""
    looks: Sequence[Look]
    """What it looked like."""
    seconds: float
    """Time since it was last seen."""


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Return the intersection over union of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / union if union > 0 else 0.0


def side(box: Rectangle) -> float:
    """Return the side of the square of a box's area."""
    width, height = np.maximum(box[2:] - box[:2], 0)
    return float(np.sqrt(width * height))


def distance_ratio(one: Rectangle, other: Rectangle) -> float:
    """Return how far the centres of two boxes lie apart, in mean sides."""
    between = np.linalg.norm((one[:2] + one[2:] - other[:2] - other[2:]) / 2)
    mean = (side(one) + side(other)) / 2
    return float(between) / mean if mean > 0 else float("inf")


def gap_ratio(one: Rectangle, other: Rectangle) -> float:
    """Return the gap between two boxes in mean sides; below zero where they overlap."""
    gap = float(np.max(np.maximum(one[:2] - other[2:], other[:2] - one[2:])))
    mean = (side(one) + side(other)) / 2
    return gap / mean if mean > 0 else float("inf")


def cost(track: Expectation, sighting: Sighting) -> float:
    """Return what it costs to take a detection for a track's face; infinite where it is not."""
    sizes = side(track.boxes[-1]), side(sighting.box)
    if max(sizes) > MOST_SIZE_RATIO * min(sizes):
        return float("inf")
    distance = min(distance_ratio(box, sighting.box) for box in track.boxes)
    like = best_likeness(sighting.look, track.looks)
    if distance <= NEAR_RATIO:
        allowed = like is None or like >= UNLIKE
    else:
        far = NEAR_RATIO + _REACH_RATIO_PER_SECOND * track.seconds
        allowed = distance <= far and like is not None and like >= _LIKE_ENOUGH
    if not allowed:
        return float("inf")
    odds = 0.0 if like is None else float(np.clip(like, *_LOG_ODDS_RANGE))
    return distance - SIDES_PER_LOG_ODDS * odds


def link(
    tracks: Sequence[Expectation], sightings: Sequence[Sighting], *, sure_confidence: float = 0.0
) -> list[tuple[int, int]]:
    """Pair tracks with detections, each at most once: first those that the detector is sure of.

    Args:
        tracks: where faces may be.
        sightings: what was detected.
        sure_confidence: the detector's.

    Returns:
        Positions in both, in order of tracks.
    """
    pairs: list[tuple[int, int]] = []
    for sure in (True, False):
        rows = [t for t in range(len(tracks)) if all(t != row for row, _ in pairs)]
        columns = [
            d for d, each in enumerate(sightings) if (each.confidence >= sure_confidence) == sure
        ]
        costs = np.array([[cost(tracks[t], sightings[d]) for d in columns] for t in rows])
        chosen = assign(costs.reshape(len(rows), len(columns)))
        pairs += [(rows[r], columns[c]) for r, c in chosen]
    return sorted(pairs)
