"""Which weights of a network learn: all, norms, the head alone, or small matrices beside attention.

`lora` adds to each matrix of a transformer's attention a product of two small ones, which alone
learn (Hu et al., "LoRA", ICLR 2022). It starts at zero, and is added to the matrix when weights are
saved, so a tuned network is one like any other.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unmask.core.errors import InputError
from unmask.training.networks.network import FaceNetwork

Tune = Literal["all", "norm", "head", "lora"]
_PARAMETRISED = "parametrizations"
_SCALE = 2.0
"""Factor of the added product: alpha over rank, 16 over 8 as in most published runs."""


class _LowRank(nn.Module):
    """Adds a product of two small matrices to a matrix."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + _SCALE * self.up @ self.down


def choose_trained(network: FaceNetwork, tune: Tune, *, rank: int) -> None:
    """Let some of a network's weights learn, and no others; the head always does.

    Args:
        network: it is changed in place.
        tune: `norm` adds the scales and offsets of norms, `lora` small matrices; `head` also keeps
            the running statistics of the backbone.
        rank: of `lora`.

    Raises:
        InputError: `lora` of a network without attention.
    """
    if tune == "all":
        return
    network.backbone.requires_grad_(requires_grad=False)
    network.frozen = tune == "head"
    if tune == "norm":
        for module in network.backbone.modules():
            if "norm" in type(module).__name__.casefold():
                module.requires_grad_(requires_grad=True)
    elif tune == "lora":
        _add_low_rank(network, rank)


def _add_low_rank(network: FaceNetwork, rank: int) -> None:
    matrices = [
        module
        for name, module in network.backbone.named_modules()
        if isinstance(module, nn.Linear) and ".attn." in f".{name}."
    ]
    if network.tokens is None or not matrices:
        raise InputError(
            f"{network.backbone_name} has no attention that network.tune=lora could tune",
            hint="take a transformer, or network.tune=norm",
        )
    for each in matrices:
        parametrize.register_parametrization(each, "weight", _LowRank(each.weight, rank))


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights as one without `lora` holds them: the products are added."""
    state = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if f".{_PARAMETRISED}." not in f".{name}"
    }
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()  # type: ignore[operator,union-attr]
    return state
