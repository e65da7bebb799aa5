"""GradCAM: the feature map's channels weighted by how much each moves the logit.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.float32]


def gradcam(features: Float, gradients: Float, *, size_px: int) -> Float:
    """Return GradCAM maps.

    Args:
        features: `(N, C, h, w)` last convolutional feature map.
        gradients: `(N, C, h, w)` gradient of the logit with respect to it.
        size_px: side of the returned maps.

    Returns:
        `(N, size_px, size_px)` float32 in [0, 1]. Each map is scaled by its own maximum; where
        nothing speaks for the class (no positive value) or a value is not finite it is all zero.
    """
    if features.shape != gradients.shape or features.ndim != 4:
        raise ValueError(f"shapes differ: {features.shape} and {gradients.shape}")
    weights = gradients.mean(axis=(2, 3), dtype=np.float64)
    raw = np.einsum("nc,nchw->nhw", weights, features)
    return np.stack([_enlarge(_scale(each), size_px) for each in raw])


def _scale(raw: NDArray[np.float64]) -> Float:
    top = raw.max()
    if not np.isfinite(raw).all() or top <= 0:
        return np.zeros(raw.shape, np.float32)
    scaled: Float = (np.maximum(raw, 0.0) / top).astype(np.float32)
    return scaled


def _enlarge(small: Float, size_px: int) -> Float:
    resized = Image.fromarray(small).resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32).clip(0.0, 1.0)
