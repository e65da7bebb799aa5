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
    return _weighted(evidence.gradients.mean(axis=(2, 3)), evidence.features)


def gradcam_plus_plus(evidence: Evidence) -> Float:
    """Return raw GradCAM++ maps `(N, h, w)`.

    Under a head that pools by the mean, as the paper's, a channel's gradient is the same at every
    place; the method then differs from GradCAM by how it weighs channels, and by leaving out those
    that speak against `fake`.
    """
    gradients = evidence.gradients
    totals = evidence.features.sum(axis=(2, 3))[:, :, None, None]
    squares = gradients * gradients
    denominator = squares * (2 + totals * gradients) + np.float32(_EPSILON)
    shares = np.maximum(gradients, 0) * squares / denominator
    return _weighted(shares.sum(axis=(2, 3)), evidence.features)


def _weighted(weights: Float, features: Float) -> Float:
    """Return the sum of the channels of `(N, C, h, w)` under weights `(N, C)`."""
    count, channels, height, width = features.shape
    raw: Float = weights[:, None] @ features.reshape(count, channels, height * width)
    return raw.reshape(count, height, width)
