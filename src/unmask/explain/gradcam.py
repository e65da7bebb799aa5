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
    features, gradients = evidence.layer
    places = gradients.shape[2] * gradients.shape[3]
    return _weigh_channels(_sums(gradients) / np.float32(places), features)


def gradcam_plus_plus(evidence: Evidence) -> Float:
    """Return raw GradCAM++ maps `(N, h, w)`.

    Under a head that pools by the mean, as the paper's, a channel's gradient is the same at every
    place; the method then differs from GradCAM by how it weighs channels, and by leaving out those
    that speak against `fake`.
    """
    features, gradients = evidence.layer
    totals = _sums(features)[:, :, None, None]
    pairs = zip(gradients, totals, strict=True)
    weights = np.concatenate([_sums(_shares(*pair)[None]) for pair in pairs])
    return _weigh_channels(weights, features)


def _shares(gradients: Float, totals: Float) -> Float:
    """Return what each place adds to its channel's weight, for one picture's `(C, h, w)`.

    One picture at a time and in place: its arrays then stay in the processor's cache.
    """
    squares = gradients * gradients
    denominator = gradients * totals
    denominator += 2
    denominator *= squares
    denominator += np.float32(_EPSILON)
    squares /= denominator
    squares *= np.maximum(gradients, 0)
    return squares


def _sums(values: Float) -> Float:
    """Return the sum over places of `(N, C, h, w)`; a product with ones is the fastest sum."""
    count, channels, height, width = values.shape
    flat = values.reshape(count, channels, height * width)
    total: Float = flat @ np.ones(height * width, values.dtype)
    return total


def _weigh_channels(weights: Float, features: Float) -> Float:
    """Return the sum of the channels of `(N, C, h, w)` under weights `(N, C)`."""
    count, channels, height, width = features.shape
    raw: Float = weights[:, None] @ features.reshape(count, channels, height * width)
    return raw.reshape(count, height, width)
