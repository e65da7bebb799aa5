"""A face in one frame, and a face followed over time.

Boxes are XYXY pixels of the picture as shown on a screen, half-open; times are seconds from the
first frame's time stamp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, half-open."""


Point = tuple[float, float]
"""x, y in pixels."""


Landmarks = tuple[Point, Point, Point, Point, Point]
"""Left eye, right eye, nose, left mouth corner, right mouth corner (as seen in the picture)."""


@dataclass(frozen=True)
class Face:
    """One detected face."""

    box: Box
    """Box of the face, forehead to chin."""
    landmarks: Landmarks
    """Five points."""
    confidence: float
    """The detector's own score in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a face looks like, small; in memory only."""

    face: NDArray[np.float32]
    """`(32, 32)` luma of the upright face, grey levels."""
    head: NDArray[np.float32]
    """`(10, 10, 3)` RGB of the head."""

    def __repr__(self) -> str:
        """Show the shapes, not the pixels."""
        return f"Look(face={self.face.shape}, head={self.head.shape})"


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face followed over sampled frames without a cut.

    Frames in which another face hides it are left out.
    """

    id: int
    """Number of the track in its video, from 1, in order of appearance."""
    frame_indices: NDArray[np.int64]
    """`(N,)` decoded-frame indices, ascending."""
    pts_seconds: NDArray[np.float64]
    """`(N,)` time stamps."""
    boxes: NDArray[np.float32]
    """`(N, 4)` XYXY pixels; interpolated between detections."""
    landmarks: NDArray[np.float32]
    """`(N, 5, 2)` pixels; interpolated between detections."""
    differences: NDArray[np.float32]
    """`(N,)` mean absolute luma difference to the face crop before, grey levels in [0, 255];
    the first is NaN (not measured)."""
    confidence: float
    """The face detector's best score of it in [0, 1]; scales differ between detectors."""
    detected: NDArray[np.bool_] | None = None
    """`(N,)` whether the face was detected in that frame and not interpolated; None: not known."""
    clear: NDArray[np.bool_] | None = None
    """`(N,)` whether no other face is near and none was missed around that frame; None: all."""
    looks: tuple[Look, ...] = ()
    """What it looks like when it is clear; in memory only, for the length of a scan."""

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        count = len(self.frame_indices)
        if count == 0:
            raise ValueError("a track has at least one frame")
        lengths = {len(a) for a in (self.pts_seconds, self.boxes, self.landmarks, self.differences)}
        lengths |= {len(a) for a in (self.detected, self.clear) if a is not None}
        if lengths != {count}:
            raise ValueError(f"arrays of a track differ in length: {count} and {sorted(lengths)}")

    def __len__(self) -> int:
        """Return the number of sampled frames."""
        return len(self.frame_indices)

    def __repr__(self) -> str:
        """Show the extent, not the arrays."""
        start, end = self.pts_seconds[0], self.pts_seconds[-1]
        return f"FaceTrack(id={self.id}, {len(self)} frames, {start:.2f}..{end:.2f} s)"
