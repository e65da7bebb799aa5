"""A PyTorch network behind the `Differentiable` protocol: numpy in, numpy out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unmask.explain.differentiable import Evidence, Float
from unmask.training.networks.scoring_network import ScoringNetwork, differentiate


class TorchNetwork:
    """A network of this package that can be explained, as it is while it is being built.

    Args:
        network: put into evaluation mode.
        batch: most pictures in one pass.
    """

    def __init__(self, network: ScoringNetwork, *, batch: int = 16) -> None:
        self.network = network.eval()
        self._batch = batch

    def logits(self, images: Float) -> Float:
        """Return logits `(N,)` of pictures `(N, 3, S, S)`."""
        with torch.no_grad():
            return np.concatenate([self.network(part).numpy() for part in self._parts(images)])

    def evidence(self, images: Float) -> Evidence:
        """Return logits, feature map and its gradient by autograd."""
        parts = [differentiate(self.network, part) for part in self._parts(images)]
        return Evidence(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))

    def input_gradients(self, images: Float) -> Float:
        """Return d logit / d picture, `(N, 3, S, S)`."""
        return np.concatenate([self._input_gradient(part) for part in self._parts(images)])

    def _parts(self, images: Float) -> tuple[Tensor, ...]:
        return torch.from_numpy(np.ascontiguousarray(images)).split(self._batch)

    def _input_gradient(self, images: Tensor) -> Float:
        leaf = images.clone().requires_grad_()
        (gradients,) = torch.autograd.grad(self.network(leaf).sum(), leaf)
        return gradients.numpy()
