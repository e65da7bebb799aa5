"""What a report shows of the film itself: whole key frames, reduced, and the path of each face."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.face import FaceTrack
from unmask.core.scan import BoxPath, Still

STILL_SIDE_PX = 640
"""Longest side that a still is reduced to."""
_QUALITY = 78
_PATH_POINTS = 600
"""Most boxes of a path; between two of them a face moves in a straight line."""


def still(frame_index: int, pixels: NDArray[np.uint8]) -> Still:
    """Reduce a whole frame, `(H, W, 3)` RGB, to a JPEG."""
    picture = Image.fromarray(pixels)
    picture = picture.reduce(max(1, max(picture.size) // STILL_SIDE_PX))  # fast, by whole pixels
    picture.thumbnail((STILL_SIDE_PX, STILL_SIDE_PX), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return Still(frame_index, buffer.getvalue())


def box_path(track: FaceTrack) -> BoxPath:
    """Return where a face is over time, with at most some hundred boxes."""
    count = min(len(track), _PATH_POINTS)
    kept = np.unique(np.linspace(0, len(track) - 1, count).round().astype(int))
    boxes = np.rint(track.boxes[kept]).astype(int)
    return BoxPath(
        track.id,
        tuple(round(float(t), 3) for t in track.pts_seconds[kept]),
        tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in boxes),
    )
