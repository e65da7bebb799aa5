"""From a network to ONNX files that need no torch: scores, and the gradient at the input.

Scoring by the paper's head is a plain forward pass, which has the gradient at the feature map in
closed form. Every other gradient is a backward pass too: it is recorded as a graph of tensor
operations (`make_fx` over `autograd.grad`), and the operations that ONNX lacks are replaced on the
way. A convolution's backward pass with respect to its input is a transposed convolution; a maximum
pool's scatters the gradient to where the maxima were; an average pool's spreads it evenly. Weights
are constants here, so nothing else of the backward pass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from unmask.bundle.runtime import GRADIENT_OUTPUTS, INPUT
from unmask.training.networks.scoring_network import ScoringNetwork
from unmask.training.networks.timm_models import unfuse_attention

_aten = torch.ops.aten
_EXAMPLES = 2
"""Pictures in the batch that is recorded; a batch of one would be taken for a constant."""


class _Scoring(nn.Module):
    """What the network gives, in closed form."""

    def __init__(self, network: ScoringNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.network.forward_with_gradient(image)


def export_scoring(network: ScoringNetwork, path: Path, *, size_px: int) -> None:
    """Write `model.onnx`: logit, feature map, gradient of the logit with respect to that map.

    And a transformer's attention times the gradient at it, as a map.

    Args:
        network: the trained network; it is put into evaluation mode.
        path: the file to write.
        size_px: side of the square input.
    """
    network.eval()

    def score(image: Tensor) -> tuple[Tensor, ...]:
        return network.forward_with_gradient(image)

    scoring: nn.Module = (
        _Scoring(network) if network.closed_form else _record(network, score, size_px=size_px)
    )
    _write(scoring, path, example=network.blank(_EXAMPLES, size_px), outputs=network.outputs)


def export_gradient(network: ScoringNetwork, path: Path, *, size_px: int) -> None:
    """Write `gradient.onnx`: the gradient of the logit with respect to the input picture.

    Args: as of `export_scoring`.
    """
    graph = trace_gradient(network, size_px=size_px)
    _write(graph, path, example=network.blank(_EXAMPLES, size_px), outputs=GRADIENT_OUTPUTS)


def trace_gradient(network: ScoringNetwork, *, size_px: int) -> GraphModule:
    """Record the gradient of the logit with respect to the input as a forward graph.

    Args: as of `export_scoring`.

    Returns:
        A module from `(N, 3, S, S)` to the same shape, for any N.
    """

    def gradient(image: Tensor) -> Tensor:
        leaf = image.detach().requires_grad_()
        return torch.autograd.grad(network(leaf).sum(), leaf)[0]

    return _record(network, gradient, size_px=size_px)


def _record(
    network: ScoringNetwork, function: Callable[[Tensor], Any], *, size_px: int
) -> GraphModule:
    """Record a function of pictures, backward passes included, as a graph of forward operations."""
    network.eval().requires_grad_(requires_grad=False)
    unfuse_attention(network)
    # the pictures are stand-ins without values, whose number is a symbol: it stays free
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    blank = network.blank(_EXAMPLES, size_px)
    sizes = [DimDynamic.DYNAMIC, *[DimDynamic.STATIC] * (blank.ndim - 1)]
    example = mode.from_tensor(
        blank,
        symbolic_context=StatelessSymbolicContext(dynamic_sizes=sizes),
    )
    trace = make_fx(
        function,
        decomposition_table=_REPLACED,
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )
    return trace(example)


def _write(module: nn.Module, path: Path, *, example: Tensor, outputs: Sequence[str]) -> None:
    """Export a module over pictures with a free batch size."""
    torch.onnx.export(
        module.eval(),
        (example,),
        str(path),
        input_names=[INPUT],
        output_names=list(outputs),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    strip_notes(path)


def strip_notes(path: Path) -> None:
    """Take the exporter's notes out of a file: its stack traces name folders of this machine."""
    model = onnx.load(str(path))
    for noted in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del noted.metadata_props[:]
    for function in model.functions:
        for noted in (function, *function.node):
            del noted.metadata_props[:]
    onnx.save(model, str(path))


def _convolution_backward(  # noqa: PLR0917 - the signature is the operation's
    gradient: Tensor,
    image: Tensor,
    weight: Tensor,
    bias_sizes: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    mask: list[bool],
) -> tuple[Tensor | None, None, None]:
    """Replace a convolution's backward pass by a transposed convolution with the same weights."""
    del bias_sizes, output_padding
    if transposed or mask[1] or mask[2]:
        raise NotImplementedError("only the input's gradient of a plain convolution is exported")
    if not mask[0]:
        return None, None, None
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    # pixels at the far edge that no stride reached
    left_over = [
        size - ((out - 1) * step - 2 * pad + span)
        for size, out, step, pad, span in zip(
            image.shape[2:], gradient.shape[2:], stride, padding, spans, strict=True
        )
    ]
    spread = F.conv_transpose2d(
        gradient, weight, None, stride, padding, left_over, groups, dilation
    )
    return spread, None, None


def _max_pool_backward(  # noqa: PLR0917 - the signature is the operation's
    gradient: Tensor,
    image: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """Add each gradient to the pixel that was its window's maximum."""
    del kernel, stride, padding, dilation, ceil_mode
    batch, channels, height, width = image.shape
    flat = torch.zeros_like(image).reshape(batch, channels, height * width)
    return flat.scatter_add(2, indices.flatten(2), gradient.flatten(2)).reshape(image.shape)


def _average_pool_backward(  # noqa: PLR0917 - the signature is the operation's
    gradient: Tensor,
    image: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Spread each gradient evenly over its window."""
    del ceil_mode  # it shows in the gradient's size
    channels, height, width = image.shape[1:]
    step = stride or kernel
    rows, columns = (
        _divisor(out, size, span, each, pad, count_pad=count_include_pad)
        for out, size, span, each, pad in zip(
            gradient.shape[2:], (height, width), kernel, step, padding, strict=True
        )
    )
    divisor = divisor_override or rows[:, None] * columns
    weights = torch.ones(channels, 1, *kernel)
    spread = F.conv_transpose2d(gradient / divisor, weights, None, step, groups=channels)
    missing = [
        max(0, size + pad - full)
        for size, pad, full in zip((height, width), padding, spread.shape[2:], strict=True)
    ]
    whole = F.pad(spread, (0, missing[1], 0, missing[0]))
    return whole[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _divisor(windows: int, size: int, span: int, step: int, pad: int, *, count_pad: bool) -> Tensor:
    """Return how many pixels each window along one side is averaged over, `(windows,)`."""
    first = torch.arange(windows, dtype=torch.float32) * step - pad
    last = (first + span).clamp(max=size + pad if count_pad else size)
    return last - (first if count_pad else first.clamp(min=0))


_REPLACED: dict[Any, Callable[..., Any]] = {
    **{
        operation: replacement
        for operation, replacement in core_aten_decompositions().items()
        if "backward" in str(operation)
    },
    _aten.convolution_backward.default: _convolution_backward,
    _aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
    _aten.avg_pool2d_backward.default: _average_pool_backward,
}
