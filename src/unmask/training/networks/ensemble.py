"""Several trained networks as one: the mean of their logits, with one feature map to explain."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor, nn

from unmask.bundle.manifest import Preprocessing
from unmask.core.errors import InputError
from unmask.training.networks.head import HeadedNetwork, PaperHead


class JoinedNetwork(HeadedNetwork):
    """The weighted mean of the logits of trained networks, written as one network with one head.

    The feature maps lie behind one another, `(N, C1 + C2 + ..., h, w)`, and the dense layers stand
    in one layer whose units see only the map of their own network. So the logit is exactly the mean
    of the members' logits, and explanations by feature map and gradient see all members at once.
    Maps of fewer cells are brought to the most cells among them by area, which keeps their means.

    Args:
        members: networks that take one input.
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
        if any(member.clip is not None for member in members):
            raise InputError(
                "networks over time cannot be joined into one network",
                hint="export each, and compare the detectors with `unmask compare`",
            )
        if not all(member.closed_form for member in members):
            raise InputError(
                "transformers cannot be joined into one network: their logits are of pooled tokens",
                hint="export each, and join the detectors with `unmask detectors join`",
            )
        weights = [share / sum(shares) for share in shares]
        super().__init__(_joined_head([member.head for member in members], weights))
        self.members, self.weights = nn.ModuleList(members), tuple(weights)

    def features(self, x: Tensor) -> Tensor:
        """Return the members' feature maps behind one another, `(N, C1 + C2 + ..., h, w)`."""
        maps = [member.features(x) for member in self.members]
        height, width = (max(each.shape[axis] for each in maps) for axis in (2, 3))
        return torch.cat([_by_area(each, height, width) for each in maps], dim=1)

    @property
    def title(self) -> str:
        """The members in words, each with its weight."""
        parts = [f"{w:.2g} of {m.title}" for m, w in zip(self.members, self.weights, strict=True)]
        return f"mean of logits: {'; '.join(parts)}"


class Adapted(HeadedNetwork):
    """A network that takes pictures of another size and normalisation than it was trained with.

    Args:
        network: the trained network.
        own: size and normalisation that it was trained with.
        preprocessing: those of the pictures that it gets from now on, which show the same part of a
            face.
    """

    def __init__(
        self, network: HeadedNetwork, *, own: Preprocessing, preprocessing: Preprocessing
    ) -> None:
        super().__init__(network.head)
        self.network, self.size_px = network, own.size_px
        mean, std, given_mean, given_std = (
            torch.tensor(colours).view(1, 3, 1, 1)
            for colours in (own.mean, own.std, preprocessing.mean, preprocessing.std)
        )
        self.register_buffer("scale", given_std / std, persistent=False)
        self.register_buffer("offset", (given_mean - mean) / std, persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """Return the network's feature map, `(N, C, h, w)`."""
        pictures = _by_area(x, self.size_px, self.size_px)
        return self.network.features(pictures * self.scale + self.offset)

    @property
    def title(self) -> str:
        """The network in words, with the size it sees."""
        return f"{self.network.title} at {self.size_px} px"


def adapt(network: HeadedNetwork, own: Preprocessing, given: Preprocessing) -> HeadedNetwork:
    """Return a network for the pictures that it is given, as it is if they are its own."""
    return network if own == given else Adapted(network, own=own, preprocessing=given)


def _by_area(features: Tensor, height: int, width: int) -> Tensor:
    """Return maps or pictures on another grid; each cell is the mean over its area."""
    if features.shape[2:] == (height, width):
        return features
    down, across = (
        _overlaps(old, new).to(features)
        for old, new in zip(features.shape[2:], (height, width), strict=True)
    )
    return down @ features @ across.T


def _overlaps(old: int, new: int) -> Tensor:
    """Return the share of each old cell in each new one along a side, `(new, old)`, float64."""
    edges, cells = torch.arange(new + 1, dtype=torch.float64) * old / new, torch.arange(old)
    last = torch.minimum(edges[1:, None], cells + 1.0)
    return (last - torch.maximum(edges[:-1, None], cells)).clamp(min=0) * new / old


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
