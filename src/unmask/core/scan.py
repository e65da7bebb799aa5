"""A scan result with the pictures that a report shows of it, which do not go into the JSON."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.core.scan_record import ScanRecord


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """Where the network looked, by one method."""

    method: str
    """Name of the method, such as `gradcam`."""
    values: NDArray[np.float32]
    """`(S, S)` in [0, 1], scaled by its own maximum."""
    raw: NDArray[np.float32]
    """`(h, w)` what the method computed, of any sign, on its own grid."""
    empty: str | None
    """Why it is all zero; None where it is not."""
    regions: tuple[tuple[str, float], ...] | None
    """Share of the map in each region of the face, the largest first; None where it is empty."""


@dataclass(frozen=True, eq=False)
class KeyFramePicture:
    """What a report shows of one key frame; pictures do not go into the JSON."""

    track_id: int
    """The track."""
    frame_index: int
    """The key frame."""
    crop: NDArray[np.uint8]
    """`(S, S, 3)` RGB, what the detector's first view saw."""
    maps: tuple[SaliencyMap, ...]
    """Where the network looked, a map for each method that was asked for."""
    agreement: float | None = None
    """Mean rank correlation of these maps; None for fewer than two that say anything."""
    other_crops: tuple[NDArray[np.uint8], ...] = ()
    """`(S, S, 3)` RGB, what its other views saw."""
    view: str | None = None
    """Which of several views GradCAM and GradCAM++ show; None where there is one, or no map."""

    @property
    def crops(self) -> tuple[NDArray[np.uint8], ...]:
        """What each view saw."""
        return (self.crop, *self.other_crops)


@dataclass(frozen=True, eq=False)
class Still:
    """A whole frame, reduced."""

    frame_index: int
    """Position among all decoded frames."""
    jpeg: bytes
    """The picture as JPEG."""

    def __repr__(self) -> str:
        """Show the size, not the bytes."""
        return f"Still(frame_index={self.frame_index}, {len(self.jpeg)} bytes)"


@dataclass(frozen=True, eq=False)
class BoxPath:
    """Where a face is over time."""

    track_id: int
    """The track."""
    pts_seconds: tuple[float, ...]
    """Time stamps, ascending."""
    boxes: tuple[tuple[int, int, int, int], ...]
    """XYXY pixels at each."""

    def __repr__(self) -> str:
        """Show the extent, not the boxes."""
        return f"BoxPath(track_id={self.track_id}, {len(self.boxes)} boxes)"


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan result and the pictures that go with it."""

    result: ScanRecord
    """The result."""
    pictures: tuple[KeyFramePicture, ...]
    """One for each key frame that was scored."""
    faithfulness: tuple[tuple[str, str], ...] = ()
    """Methods with what was measured of their maps for this detector, in words."""
    stills: tuple[Still, ...] = ()
    """Whole key frames."""
    paths: tuple[BoxPath, ...] = ()
    """Where each face is over time."""
