"""GradCAM and GradCAM++: the feature map's channels weighted by how they move the logit.

Both come from one scoring pass. Sources: Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and
2; Chattopadhyay et al., "Grad-CAM++", WACV 2018, equation 19.
"""

from __future__ import annotations

import numpy as np

from unmask.explain.differentiable import Evidence, Float

_EPSILON = 1e-6
"""Added to GradCAM++'s denominator, as pytorch-grad-cam does, so that maps equal its maps."""


def gradcam(evidence: Evidence) -> Float:
    """Return raw GradCAM maps `(N, h, w)`: negative where a place speaks against `fake`."""
    weights = evidence.gradients.mean(axis=(2, 3), dtype=np.float64)
    return _weighted(weights, evidence.features)


def gradcam_plus_plus(evidence: Evidence) -> Float:
    """Return raw GradCAM++ maps `(N, h, w)`.

    Under a head that pools by the mean, as the paper's, a channel's gradient is the same at every
    place; the method then differs from GradCAM by how it weighs channels, and by leaving out those
    that speak against `fake`.
    """
    gradients = evidence.gradients.astype(np.float64)
    totals = evidence.features.sum(axis=(2, 3), dtype=np.float64)[:, :, None, None]
    denominator = 2 * gradients**2 + totals * gradients**3 + _EPSILON
    shares = np.divide(
        gradients**2, denominator, out=np.zeros_like(gradients), where=denominator != 0
    )
    weights = (np.maximum(gradients, 0.0) * shares).sum(axis=(2, 3))
    return _weighted(weights, evidence.features)


def _weighted(weights: np.ndarray, features: Float) -> Float:
    raw: Float = np.einsum("nc,nchw->nhw", weights, features).astype(np.float32)
    return raw
