"""Maps of what a transformer attends to, of the weights that its blocks attended with.

Sources: Chefer et al., "Transformer Interpretability Beyond Attention Visualization", CVPR 2021,
the last layer of its equation 5; Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL
2020, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Attention:
    """What the blocks of a transformer attended to in one pass."""

    blocks: tuple[Tensor, ...]
    """Of each block, the first one first: weights `(N, H, T, T)`, of each row's token."""
    as_map: Callable[[Tensor], Tensor]
    """From what each column's token is worth to each row's, `(N, T, T)`, to a map."""

    def times_gradient(self, gradient: Tensor) -> Tensor:
        """Return the map of the last block's attention times the gradient at it, mean of heads.

        Args:
            gradient: of the logit at the last block's weights, of their shape.
        """
        return self.as_map((gradient * self.blocks[-1].detach()).clamp(min=0).mean(dim=1))

    def rollout(self) -> Tensor:
        """Return the map of attention through all blocks.

        A block hands on half of a token as it is, past its attention: what a token holds after all
        blocks is the product of their mean attention, each averaged with the identity.
        """
        means = [block.detach().mean(dim=1) for block in self.blocks]
        stay = torch.eye(means[0].shape[-1], dtype=means[0].dtype)
        flow = (means[0] + stay) / 2
        for mean in means[1:]:
            flow = (mean + stay) / 2 @ flow
        return self.as_map(flow)
