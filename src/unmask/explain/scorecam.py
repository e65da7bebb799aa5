"""Faster Score-CAM: channels weighted by what the network says of the picture seen through them.

Source: Wang et al., "Score-CAM", CVPR Workshops 2020, with the channels chosen as in tf-keras-vis
(`max_N`): those of the highest variance. They are chosen for each picture by itself, so that a map
never depends on the rest of the batch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from unmask.explain.differentiable import Differentiable, Evidence, Float

MAX_CHANNELS = 10
"""tf-keras-vis's `max_N` in the paper."""
_EPSILON = 1e-7


def faster_scorecam(
    model: Differentiable, images: Float, evidence: Evidence, *, max_channels: int = MAX_CHANNELS
) -> Float:
    """Return raw Faster Score-CAM maps `(N, h, w)`.

    Args:
        model: scores the masked pictures, in batches of `max_channels`.
        images: `(N, 3, S, S)` normalised.
        evidence: their feature maps.
        max_channels: how many channels count.
    """
    if max_channels < 1:
        raise ValueError(f"max_channels must be at least 1, got {max_channels}")
    features, _ = evidence.layer
    pairs = zip(images, features, strict=True)
    maps = [_map(model, image, channels, max_channels) for image, channels in pairs]
    return np.stack(maps) if maps else np.empty((0, *features.shape[2:]), np.float32)


def _map(model: Differentiable, image: Float, features: Float, max_channels: int) -> Float:
    """Return the raw map of one picture."""
    chosen = features[highest_variance(features, max_channels)]
    scores = probability(model.logits(image[None] * _masks(chosen, image.shape[-1])[:, None]))
    raw: Float = np.tensordot(scores, chosen, axes=1).astype(np.float32)
    return raw


def highest_variance(features: Float, count: int) -> np.ndarray:
    """Return the channels of `(C, h, w)` with the highest variance, the highest first."""
    variance = features.var(axis=(1, 2), dtype=np.float64)
    return np.argsort(-variance, kind="stable")[:count]


def probability(logits: Float | float) -> Float:
    """Return the network's own P(fake), before calibration, of logits of any shape."""
    values = np.asarray(logits, dtype=np.float64)
    scores: Float = (0.5 * (1.0 + np.tanh(0.5 * values))).astype(np.float32)
    return scores


def _masks(channels: Float, size_px: int) -> Float:
    """Enlarge channels `(K, h, w)` bilinearly and bring each to [0, 1]: `(K, S, S)`."""
    height, width = channels.shape[1:]
    large = _enlarging_weights(height, size_px) @ channels @ _enlarging_weights(width, size_px).T
    low = large.min(axis=(1, 2), keepdims=True)
    high = large.max(axis=(1, 2), keepdims=True)
    scaled: Float = (large - low) / (high - low + np.float32(_EPSILON))
    return scaled


@lru_cache(maxsize=8)
def _enlarging_weights(cells: int, size_px: int) -> Float:
    """Return the weights `(S, cells)` of bilinear enlarging, pixel centres at halves."""
    place = (np.arange(size_px) + 0.5) * cells / size_px - 0.5
    weights = [np.interp(place, range(cells), unit) for unit in np.eye(cells)]
    return np.stack(weights, axis=1).astype(np.float32)
