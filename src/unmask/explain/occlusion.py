"""Occlusion: how far the logit falls when a place is covered.

The witness that needs no gradient: what it shows was tried, not derived. Source: Zeiler and Fergus,
"Visualizing and Understanding Convolutional Networks", ECCV 2014. The patch is grey: the mean that
the network's input is normalised with.
"""

from __future__ import annotations

import numpy as np

from unmask.explain.differentiable import Differentiable, Float

PATCH_RATIO = 0.25
"""Side of the patch over the side of the picture."""
STEPS = 8
"""Places of the patch along a side."""


def occlusion(model: Differentiable, images: Float, logits: Float, *, steps: int = STEPS) -> Float:
    """Return raw occlusion maps `(N, S, S)`: mean fall of the logit over the patches on a pixel.

    Args:
        model: scores the covered pictures.
        images: `(N, 3, S, S)` normalised.
        logits: `(N,)` of the pictures as they are.
        steps: places along a side; `steps ** 2` scorings for each picture.
    """
    places = _places(images.shape[-1], steps)
    maps = [_map(model, image, logit, places) for image, logit in zip(images, logits, strict=True)]
    return np.stack(maps) if maps else np.empty((0, *images.shape[2:]), np.float32)


def _places(size_px: int, steps: int) -> list[tuple[slice, slice]]:
    """Return where patches lie, from edge to edge."""
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    side = max(1, round(PATCH_RATIO * size_px))
    starts = np.linspace(0, size_px - side, steps).round().astype(int)
    return [np.s_[y : y + side, x : x + side] for y in starts for x in starts]


def _map(
    model: Differentiable, image: Float, logit: np.float32, places: list[tuple[slice, slice]]
) -> Float:
    """Return the raw map of one picture."""
    covered = np.repeat(image[None], len(places), axis=0)
    for copy, place in zip(covered, places, strict=True):
        copy[:, *place] = 0.0
    falls = float(logit) - model.logits(covered).astype(np.float64)
    total, times = np.zeros(image.shape[1:]), np.zeros(image.shape[1:])
    for fall, place in zip(falls, places, strict=True):
        total[place] += fall
        times[place] += 1
    return (total / times).astype(np.float32)
