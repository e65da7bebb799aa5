"""Whether a crop store holds the pixels that a detector looks at: those that a scan would give it.

A detector is calibrated and measured on crops, and then judges what a scan cuts from the frame.
Where the store holds fewer pixels than the frame did, or JPEG changed them, the two differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import View

_SLACK = 0.95
"""Share of the wanted pixels, along a side, below which a crop counts as coarse."""


def count_coarse(
    boxes: NDArray[np.float32],
    squares: NDArray[np.float32],
    settings: Mapping[str, Any],
    views: Sequence[View],
) -> int:
    """Count the crops on which a detector sees other pixels than in a scan.

    Args:
        boxes: `(N, 4)` XYXY face boxes; NaN where there is none, which is not counted.
        squares: `(N, 4)` XYXY squares that were cut; NaN where they are not known.
        settings: that the store was cut with.
        views: of the detector.
    """
    known = np.isfinite(boxes[:, 0])
    if settings.get("image_format") == "jpeg":
        return int(known.sum())
    known &= np.isfinite(squares[:, 0])
    box, square = boxes[known].astype(np.float64), squares[known].astype(np.float64)
    side = square[:, 2] - square[:, 0]
    longer = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    largest = settings.get("size_px") or np.minimum(side, settings.get("largest_px", np.inf))
    coarse = np.zeros(len(box), np.bool_)
    for spec in (view.preprocessing for view in views):
        width = longer * spec.margin_ratio
        coarse |= width * largest / side < _SLACK * np.minimum(spec.size_px, width)
    return int(coarse.sum())


def say_coarse(count: int) -> str:
    """Say that crops are coarse, and what to do."""
    return (
        f"{count} crops are stored smaller than the detector looks at them in a scan, or as JPEG: "
        "their scores differ from a scan's. Calibrate and measure on PNG crops of the frame's own "
        "pixels (the default of `unmask data crops`), or on the manifest of videos"
    )
