"""Weights in float16 as an option: files of about half the size, and arithmetic in float32.

The network is rounded first, so that what is compared, calibrated and measured is what the files
hold. Then each rounded weight is stored in float16 with a cast behind it, which ONNX Runtime does
once, when it loads the file.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

Network = TypeVar("Network", bound=nn.Module)

SMALL = 8192
"""A tensor of no more values than this stays in float32: the exporter does casts of constants up
to this size itself, so storing it in float16 would save nothing."""


class _Widened(nn.Module):
    """Gives a weight that is stored in float16 as float32."""

    def forward(self, stored: Tensor) -> Tensor:
        return stored.float()


def round_weights(network: Network) -> Network:
    """Return a copy whose large weights have values of float16, in float32; biases and norms stay.

    A tensor with a value beyond the range of float16 stays as it is.
    """
    copy = deepcopy(network)
    with torch.no_grad():
        for module, name in _large(copy):
            weight = module.get_parameter(name)
            weight.copy_(weight.half())
    return copy


def store_as_float16(network: Network) -> Network:
    """Return a copy to export, which stores as float16 what `round_weights` rounds."""
    copy = deepcopy(network)
    for module, name in _large(copy):
        setattr(module, name, nn.Parameter(module.get_parameter(name).detach().half()))
        register_parametrization(module, name, _Widened(), unsafe=True)
    return copy


def _large(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return where the weights stand that are stored in float16: module and name in it."""
    return [
        (module, name)
        for module in network.modules()
        for name, weight in module.named_parameters(recurse=False)
        if weight.ndim >= 2 and weight.numel() > SMALL and weight.half().isfinite().all()
    ]
