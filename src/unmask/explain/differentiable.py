"""What a method of explaining needs of a network: numpy in, numpy out, whatever runs underneath.

`explain.network` puts a detector bundle behind this protocol, `models.differentiable` a PyTorch
network; the methods know neither. Pictures are the network's input, normalised, NCHW.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one scoring pass leaves behind for pictures of a batch."""

    logits: Float
    """`(N,)` logits of P(fake)."""
    features: Float
    """`(N, C, h, w)` last convolutional feature map."""
    gradients: Float
    """`(N, C, h, w)` gradient of the logit with respect to that map."""

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        if self.features.shape != self.gradients.shape or self.features.ndim != 4:
            raise ValueError(f"shapes differ: {self.features.shape} and {self.gradients.shape}")


class Differentiable(Protocol):
    """A network whose logit speaks for `fake`."""

    def logits(self, images: Float) -> Float:
        """Return logits `(N,)` of pictures `(N, 3, S, S)`."""
        ...

    def evidence(self, images: Float) -> Evidence:
        """Return logits, feature map and its gradient."""
        ...

    def input_gradients(self, images: Float) -> Float:
        """Return d logit / d picture, `(N, 3, S, S)`."""
        ...
