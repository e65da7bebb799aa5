"""SmoothGrad: the gradient at the input, averaged over noisy copies of the picture.

Source: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, with 20 copies and noise
of 0.20 of the picture's range, magnitudes averaged, the strongest colour channel taken.
"""

from __future__ import annotations

import numpy as np

from unmask.explain.differentiable import Differentiable, Float

SAMPLES = 20
"""Noisy copies of a picture."""
NOISE = 0.20
"""Standard deviation of the noise over the range of the picture's values."""


def smoothgrad(
    model: Differentiable,
    images: Float,
    *,
    seed: int,
    samples: int = SAMPLES,
    noise: float = NOISE,
) -> Float:
    """Return raw SmoothGrad maps `(N, S, S)`, never negative.

    Args:
        model: gives the gradients.
        images: `(N, 3, S, S)` normalised.
        seed: of the noise, which is the same for every picture but for its strength.
        samples: noisy copies.
        noise: standard deviation over the picture's range.
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"samples must be at least 1 and noise not negative: {samples}, {noise}")
    maps = [
        np.abs(model.input_gradients(copies)).mean(axis=0, dtype=np.float64).max(axis=0)
        for copies in (noisy(image, seed, samples, noise) for image in images)
    ]
    shape = (0, *images.shape[2:])
    return np.stack(maps).astype(np.float32) if maps else np.empty(shape, np.float32)


def noisy(image: Float, seed: int, samples: int, noise: float) -> Float:
    """Return noisy copies `(samples, 3, S, S)` of a picture `(3, S, S)`."""
    spread = noise * float(image.max() - image.min())
    drawn = np.random.default_rng(seed).standard_normal((samples, *image.shape), np.float32)
    return image[None] + np.float32(spread) * drawn
