"""From a crop and its logit to a scored key frame: sharpness, turn of the head, calibration.

What becomes of the scored key frames of a face, and of the faces of a video, is in `verdict`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.manifest import Judgeable
from unmask.core.face import Landmarks
from unmask.core.scan_record import KeyFrame

_SHARPNESS_SIDE_PX = 128


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of a crop's luma at 128 px: low means blurred.

    Args:
        crop: `(S, S, 3)` RGB.
    """
    side = _SHARPNESS_SIDE_PX
    grey = Image.fromarray(crop).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    luma = np.asarray(grey, dtype=np.float64)
    centre = luma[1:-1, 1:-1]
    ring = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((ring - 4 * centre).var())


def turn(landmarks: Landmarks) -> float:
    """Return how far a head is turned to the side: 0 is frontal, a profile is 1 or more.

    The nose's distance from the middle between the eyes, along the line through the eyes, in
    distances between the eyes.
    """
    left, right, nose = (np.array(point, dtype=np.float64) for point in landmarks[:3])
    across = right - left
    square = float(across @ across)
    if square == 0:
        return float("inf")
    return abs(float((nose - (left + right) / 2) @ across)) / square


def score_key_frame(
    key_frame: KeyFrame, crop: NDArray[np.uint8], logit: float, limits: Judgeable
) -> KeyFrame:
    """Return a key frame with its logit, its sharpness, and why it cannot be used, if so.

    Args:
        key_frame: with face size and landmarks.
        crop: `(S, S, 3)` RGB, what the network saw.
        logit: the network's output.
        limits: the detector's.
    """
    return replace(assess_key_frame(key_frame, crop, limits), logit=float(logit))


def assess_key_frame(key_frame: KeyFrame, crop: NDArray[np.uint8], limits: Judgeable) -> KeyFrame:
    """Return a key frame with its sharpness, and why it cannot be used, if so.

    Args: as of `score_key_frame`.
    """
    key = replace(key_frame, sharpness=sharpness(crop))
    return replace(key, unusable=_unusable_reason(key, limits))


def _unusable_reason(key: KeyFrame, limits: Judgeable) -> str | None:
    """Say why a crop is not fit to be judged, or None where it is."""
    if key.face_px < limits.min_face_px:
        return f"face too small ({key.face_px:.0f} px, {limits.min_face_px:.0f} needed)"
    if key.sharpness is not None and key.sharpness < limits.min_sharpness:
        needed = f"{limits.min_sharpness:g} needed"
        return f"face too blurred (sharpness {key.sharpness:.1f}, {needed})"
    if limits.max_turn is not None and (turned := turn(key.landmarks)) > limits.max_turn:
        return f"head turned away (turn {turned:.2f}, at most {limits.max_turn:g})"
    return None
