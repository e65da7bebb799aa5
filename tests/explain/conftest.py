"""A network whose logit, feature map and gradients have a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.explain import Evidence

POOL = 4


class QuadraticNetwork:
    """Pools the picture 4 x 4 and squares it, `logit = sum(weights * features ** 2)`."""

    def __init__(self, weights: tuple[float, ...] = (0.3, -0.2, 0.1)) -> None:
        self.weights = np.array(weights, np.float32)[None, :, None, None]
        self.scored = 0

    def _features(self, images):
        n, c, side, _ = images.shape
        small = side // POOL
        return images.reshape(n, c, small, POOL, small, POOL).mean(axis=(3, 5))

    def logits(self, images):
        self.scored += len(images)
        return (self.weights * self._features(images) ** 2).sum(axis=(1, 2, 3))

    def evidence(self, images):
        features = self._features(images)
        gradients = 2 * self.weights * features
        attention = np.maximum(gradients * features, 0).mean(axis=1)  # as a transformer would give
        return Evidence(self.logits(images), features, gradients, attention, attention)

    def input_gradients(self, images):
        small = 2 * self.weights * self._features(images) / POOL**2
        return small.repeat(POOL, axis=2).repeat(POOL, axis=3)


@pytest.fixture
def network():
    return QuadraticNetwork()


@pytest.fixture
def images():
    return np.random.default_rng(7).normal(size=(3, 3, 32, 32)).astype(np.float32)
