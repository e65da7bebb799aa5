"""A track that may go on: where its face was, where it should be, and what hides it.

What `tracks` keeps of each face between two detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Look
from unmask.faces.appearance import best_likeness, remember
from unmask.faces.association import (
    CROWDED_GAP_RATIO,
    NEAR_RATIO,
    Expectation,
    Rectangle,
    distance_ratio,
    gap_ratio,
)

_KEPT_LIKENESS = 4.0
"""A face in a crowd that looks less like itself may be half hidden; its look is not kept."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame held until the next detection."""

    index: int
    pts_seconds: float
    luma: NDArray[np.uint8]


@dataclass(eq=False)
class OpenTrack:
    """A track that may go on."""

    anchor: NDArray[np.float64]
    """Geometry at the latest detection, reduced pixels."""
    anchor_seconds: float
    anchor_clear: bool
    """Whether no other face was near at the latest detection."""
    confidence: float
    """Best score of a detection."""
    looks: list[Look]
    latest: Look
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    """Change of the box per second."""
    detections: int = 1
    misses: int = 0
    hidden: bool = False
    """Whether another face was in front when it was missed."""
    previous: NDArray[np.uint8] | None = None
    """Luma crop of the latest placed frame."""
    placed_until: int = -1
    """Index of the latest placed frame."""
    indices: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    geometry: list[NDArray[np.float32]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    detected: list[bool] = field(default_factory=list)
    clear: list[bool] = field(default_factory=list)

    def predicted(self, seconds: float) -> Rectangle:
        """Return the box expected at a time."""
        box: Rectangle = self.anchor[:4] + self.velocity * (seconds - self.anchor_seconds)
        return box if (box[2:] > box[:2]).all() else self.anchor[:4]

    def expectation(self, seconds: float) -> Expectation:
        """Return where the face may be at a time."""
        boxes = (self.predicted(seconds), self.anchor[:4])
        return Expectation(boxes, [*self.looks, self.latest], seconds - self.anchor_seconds)

    def keep_look(self, look: Look, *, crowded: bool) -> None:
        """Remember what the face looks like, unless it may be half hidden."""
        if crowded and (best_likeness(look, self.looks) or 0.0) < _KEPT_LIKENESS:
            return
        self.looks, self.latest = remember(self.looks, look), look


def is_crowded(
    place: int, places: Sequence[Rectangle], lost: Sequence[OpenTrack], now: float
) -> bool:
    """Tell whether another face is so near that one may hide part of the other."""
    box = places[place]
    beside = any(
        gap_ratio(box, other) < CROWDED_GAP_RATIO for n, other in enumerate(places) if n != place
    )
    return beside or any(gap_ratio(box, track.predicted(now)) < 0 for track in lost)


def is_part(place: int, places: Sequence[Rectangle], lost: Sequence[OpenTrack], now: float) -> bool:
    """Tell whether a detection beside another face is what shows of a face that is lost there."""
    box = places[place]
    return is_crowded(place, places, [], now) and any(
        distance_ratio(box, track.predicted(now)) <= NEAR_RATIO for track in lost
    )


def may_be_hidden(box: Rectangle, places: Sequence[Rectangle]) -> bool:
    """Tell whether a face that was missed may be behind another one."""
    return any(gap_ratio(box, other) < CROWDED_GAP_RATIO for other in places)
