"""Whether a crop store holds the pixels that a detector looks at: those that a scan would give it.

A detector is calibrated and measured on crops, and then judges what a scan cuts from the frame.
Where the store holds fewer pixels than the frame did, or JPEG changed them, the two differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unmask.bundle.framing import face_square
from unmask.bundle.manifest import View
from unmask.crops.record import CropRecord

_SLACK = 0.95
"""Share of the wanted pixels, along a side, below which a crop counts as coarse."""


def count_coarse(
    crops: Iterable[CropRecord], settings: Mapping[str, Any], views: Sequence[View]
) -> int:
    """Count the crops on which a detector sees other pixels than in a scan.

    Args:
        crops: of one store; those without a face box are not counted.
        settings: that the store was cut with.
        views: of the detector.
    """
    lossy = settings.get("image_format") == "jpeg"
    return sum(lossy or _is_coarse(crop, settings, views) for crop in crops if crop.box is not None)


def say_coarse(count: int) -> str:
    """Say that crops are coarse, and what to do."""
    return (
        f"{count} crops are stored smaller than the detector looks at them in a scan, or as JPEG: "
        "their scores differ from a scan's. Calibrate and measure on PNG crops of the frame's own "
        "pixels (the default of `unmask data crops`), or on the manifest of videos"
    )


def _is_coarse(crop: CropRecord, settings: Mapping[str, Any], views: Sequence[View]) -> bool:
    if crop.square is None or crop.box is None:
        return False
    side = crop.square[2] - crop.square[0]
    stored_px = settings.get("size_px") or min(side, settings.get("largest_px", side))
    for spec in (view.preprocessing for view in views):
        wanted = face_square(crop.box, spec)
        width = wanted[2] - wanted[0]
        if width * stored_px / side < _SLACK * min(spec.size_px, width):
            return True
    return False
