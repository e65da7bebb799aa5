"""Several trained networks as one: the mean of their logits, with one feature map to explain."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor, nn

from unmask.errors import InputError
from unmask.models.head import HeadedNetwork, PaperHead


class JoinedNetwork(HeadedNetwork):
    """The weighted mean of the logits of trained networks, written as one network with one head.

    The feature maps lie behind one another, `(N, C1 + C2 + ..., h, w)`, and the dense layers stand
    in one layer whose units see only the map of their own network. So the logit is exactly the mean
    of the members' logits, and explanations by feature map and gradient see all members at once.

    Args:
        members: networks with feature maps of one height and width at the input they share.
        shares: weight of each member's logit; they are divided by their sum.

    Raises:
        InputError: fewer than two members, or not one positive share each.
    """

    def __init__(self, members: Sequence[HeadedNetwork], shares: Sequence[float]) -> None:
        if len(members) < 2 or len(shares) != len(members) or not all(0 < s < inf for s in shares):
            raise InputError(
                f"{len(members)} networks cannot be joined by the shares {list(shares)}",
                hint="give two or more networks, and a positive share for each",
            )
        weights = [share / sum(shares) for share in shares]
        super().__init__(_joined_head([member.head for member in members], weights))
        self.members, self.weights = nn.ModuleList(members), tuple(weights)

    def features(self, x: Tensor) -> Tensor:
        """Return the members' feature maps behind one another, `(N, C1 + C2 + ..., h, w)`."""
        return torch.cat([member.features(x) for member in self.members], dim=1)

    @property
    def title(self) -> str:
        """The members in words, each with its weight."""
        said = [f"{w:.2g} of {m.title}" for m, w in zip(self.members, self.weights, strict=True)]
        return f"mean of logits: {'; '.join(said)}"


def _joined_head(heads: Sequence[PaperHead], weights: Sequence[float]) -> PaperHead:
    """Return one head that gives the weighted mean of the logits of several."""
    hidden = [head.hidden for head in heads]
    joined = PaperHead(
        sum(layer.in_features for layer in hidden),
        width=sum(layer.out_features for layer in hidden),
        dropout=0.0,
    )
    scaled = list(zip(heads, weights, strict=True))
    with torch.no_grad():
        joined.hidden.weight.copy_(torch.block_diag(*[layer.weight for layer in hidden]))
        joined.hidden.bias.copy_(torch.cat([layer.bias for layer in hidden]))
        joined.logit.weight.copy_(torch.cat([w * head.logit.weight for head, w in scaled], dim=1))
        joined.logit.bias.copy_(sum(w * head.logit.bias for head, w in scaled))
    return joined
