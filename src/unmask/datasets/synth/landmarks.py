"""Finding the face in invented footage: landmarks for forging, and crops for data sets of crops."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.datasets.synth.talking_head import Frames
from unmask.faces.mtcnn import MtcnnDetector

Points = NDArray[np.float64]

CROP_EYES = 3.0
"""Side of a crop relative to the distance of the eyes."""


@lru_cache(maxsize=1)
def _detector() -> MtcnnDetector:
    return MtcnnDetector(threads=1)


def landmarks(frames: Frames, every: int) -> Points:
    """Return five landmarks of the largest face in each frame, `(T, 5, 2)` pixels.

    Args:
        frames: `(T, H, W, 3)` uint8 RGB.
        every: frames from one detection to the next; between them landmarks are interpolated.

    Raises:
        ValueError: no face in any frame that was looked at.
    """
    count = len(frames)
    looked_at = sorted({*range(0, count, every), count - 1})
    known, points = [], []
    near = None
    for number in looked_at:
        if faces := _detector().detect(frames[number], near):
            near = [faces[0].box]
            known.append(number)
            points.append(np.array(faces[0].landmarks, np.float64).ravel())
    if not known:
        raise ValueError(f"no face in {len(looked_at)} frames looked at: nothing to replace")
    table = np.array(points)
    columns = [np.interp(np.arange(count), known, table[:, i]) for i in range(10)]
    return np.stack(columns, axis=1).reshape(count, 5, 2)


def face_crops(frames: Frames, side_px: int) -> Frames:
    """Return a square around the face in each frame, `(T, side_px, side_px, 3)` uint8."""
    return np.stack(
        [
            _cut_square(frame, points, side_px)
            for frame, points in zip(frames, landmarks(frames, 5), strict=True)
        ]
    )


def _cut_square(frame: NDArray[np.uint8], points: Points, side_px: int) -> NDArray[np.uint8]:
    middle = points.mean(0)
    half = CROP_EYES / 2 * float(np.hypot(*(points[1] - points[0])))
    box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    picture = Image.fromarray(frame)
    return np.asarray(
        picture.transform(
            (side_px, side_px), Image.Transform.EXTENT, box, resample=Image.Resampling.BILINEAR
        )
    )
