"""What every network here gives: the logit of P(fake), and the layer whose map explains it.

A network over time takes clips `(N, T, 3, H, W)` where others take pictures `(N, 3, H, W)`. A
convolutional network is explained by its last feature map, a transformer by the tokens that its
last block attends to, laid out as the grid of patches that they are of. Which tensor that is, and
how it becomes a map, is all that a kind of network has to say; gradients are autograd's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unmask.bundle.manifest import OUTPUTS, Clip
from unmask.training.networks.attention import Attention

AsMap = Callable[[Tensor], Tensor]
"""From a layer's output to `(N, C, h, w)`: a view of its values or some of them."""


def as_it_is(layer: Tensor) -> Tensor:
    """Return the output of a layer that is a map already."""
    return layer


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """One pass through a network, with what explains it."""

    logits: Tensor
    """`(N,)` logits of P(fake)."""
    layer: Tensor | None = None
    """Output of the explained layer, from which the logits were computed; None: only a score."""
    as_map: AsMap = as_it_is
    """From its shape to `(N, C, h, w)`."""
    attention: Attention | None = None
    """What its blocks attended to; None of a convolutional network."""


class ScoringNetwork(nn.Module):
    """A network that scores faces; a subclass says what it computes."""

    closed_form = False
    """Whether `forward_with_gradient` is a plain forward pass, which can be exported as it is."""
    clip: Clip | None = None
    """What it judges as one; None: single pictures."""

    def blank(self, count: int, size_px: int) -> Tensor:
        """Return black pictures `(N, 3, S, S)`, or clips `(N, T, 3, S, S)`, as it takes them."""
        frames = () if self.clip is None else (self.clip.frames,)
        return torch.zeros(count, *frames, 3, size_px, size_px)

    @property
    def title(self) -> str:
        """The network in words."""
        raise NotImplementedError

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward_with_gradient` returns."""
        return OUTPUTS

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score normalised images `(N, 3, H, W)`, keeping what explains the scores."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised images `(N, 3, H, W)`."""
        return self.forward_pass(x).logits

    def forward_with_gradient(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what a scoring file gives, by autograd; see `differentiate`."""
        return differentiate(self, x)


def differentiate(network: ScoringNetwork, x: Tensor) -> tuple[Tensor, ...]:
    """Return logit, map, the gradient of the one at the other, and a transformer's attention maps.

    They are gradient x attention and attention rollout, see `Attention`.

    Args:
        network: in evaluation mode.
        x: normalised images `(N, 3, H, W)`.
    """
    with torch.enable_grad():
        run = network.forward_pass(x.detach().requires_grad_())
        if run.layer is None:
            return (run.logits.detach(),)
        layers = [run.layer] if run.attention is None else [run.layer, run.attention.blocks[-1]]
        gradients = torch.autograd.grad(run.logits.sum(), layers)
    scored = run.logits.detach(), run.as_map(run.layer.detach()), run.as_map(gradients[0])
    if run.attention is None:
        return scored
    return (*scored, run.attention.times_gradient(gradients[1]), run.attention.rollout())
