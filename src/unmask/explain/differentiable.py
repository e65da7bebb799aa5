"""What a method of explaining needs of a network: numpy in, numpy out, whatever runs underneath.

`explain.network` puts a detector bundle behind this protocol, `models.differentiable` a PyTorch
network; the methods know neither. Pictures are the network's input, normalised, NCHW. A network of
clips takes `(N, T, 3, S, S)` wherever pictures are `(N, 3, S, S)`; the methods explain it one frame
at a time, see `explain.clips`.
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
    features: Float | None = None
    """`(N, C, h, w)` last convolutional feature map, or the tokens of a transformer as the grid of
    their patches; of clips `(N, T, C, h, w)`; None of a network that only scores."""
    gradients: Float | None = None
    """Gradient of the logit with respect to that map, of its shape; None as above."""
    attention: Float | None = None
    """`(N, h, w)` attention of a transformer's last block times the gradient at it, of clips
    `(N, T, h, w)`; None where it is no transformer."""
    rollout: Float | None = None
    """Its attention rolled out through all blocks, of that shape; None as above."""

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        shapes = [None if each is None else each.shape for each in (self.features, self.gradients)]
        if shapes[0] != shapes[1] or len(shapes[0] or (0,) * 4) not in {4, 5}:
            raise ValueError(f"shapes differ: {shapes[0]} and {shapes[1]}")

    @property
    def layer(self) -> tuple[Float, Float]:
        """Feature map and gradient.

        Raises:
            ValueError: the network only scores.
        """
        if self.features is None or self.gradients is None:
            raise ValueError("the network gives no feature map")
        return self.features, self.gradients


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
