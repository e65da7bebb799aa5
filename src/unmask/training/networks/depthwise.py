"""Depthwise convolutions whose gradients are quick on a CPU, equal to PyTorch's to rounding.

PyTorch 2.15 computes some gradients of a depthwise convolution by slow paths on a CPU: in bfloat16
that at the input with a stride of 2 takes fifty times as long as the convolution itself, and that
of a 5 x 5 kernel thirty times. Both can be had from operations that are quick: the first is a
convolution of the spread-out gradient with the turned kernel, the second consists of gradients of
3 x 3 kernels on shifted inputs. `benchmarks/training.py` measures what it gains.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

Pair = tuple[int, int]

_BLOCK = 3
"""Side of the kernels whose gradient PyTorch computes quickly."""


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution of an input that is padded already."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return conv2d(x, weight, None, stride, 0, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # type: ignore[override]  # its arguments are the outputs
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        at_x, at_weight = ctx.needs_input_grad[:2]
        return (
            input_gradient(gradient, weight, x.shape[2:], ctx.stride) if at_x else None,
            weight_gradient(gradient, x, weight, ctx.stride) if at_weight else None,
            None,
        )


def input_gradient(gradient: Tensor, weight: Tensor, size: torch.Size, stride: Pair) -> Tensor:
    """Return the gradient at the input of a depthwise convolution without padding.

    Args:
        gradient: at the output, `(N, C, h, w)`.
        weight: `(C, 1, k, l)`.
        size: height and width of the input.
        stride: of the convolution.
    """
    spread = gradient
    if stride != (1, 1):
        n, c, h, w = gradient.shape
        shape = (n, c, (h - 1) * stride[0] + 1, (w - 1) * stride[1] + 1)
        spread = torch.zeros(shape, dtype=gradient.dtype, device=gradient.device).contiguous(
            memory_format=torch.channels_last
        )
        spread[:, :, :: stride[0], :: stride[1]] = gradient
    rows, columns = weight.shape[2:]
    turned = weight.flip(2, 3)
    result = conv2d(spread, turned, None, 1, (rows - 1, columns - 1), 1, len(weight))
    # rows and columns at the end that no output saw
    below, right = size[0] - result.shape[2], size[1] - result.shape[3]
    return pad(result, (0, right, 0, below)) if below or right else result


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
    """Return the gradient at the kernels of a depthwise convolution without padding.

    Args:
        gradient: at the output, `(N, C, h, w)`.
        x: the input, `(N, C, H, W)`.
        weight: `(C, 1, k, l)`.
        stride: of the convolution.
    """
    height, width = ((n - 1) * s for n, s in zip(gradient.shape[2:], stride, strict=True))
    tensor = torch.empty_like(weight)
    rows, columns = (min(side, _BLOCK) for side in weight.shape[2:])
    for top in _starts(weight.shape[2]):
        for left in _starts(weight.shape[3]):
            seen = x[:, :, top : top + height + rows, left : left + width + columns]
            block = weight[:, :, top : top + rows, left : left + columns]
            tensor[:, :, top : top + rows, left : left + columns] = _native(
                gradient, seen.contiguous(memory_format=torch.channels_last), block, stride
            )
    return tensor


def _starts(side: int) -> list[int]:
    """Return where blocks begin that cover a kernel's side; the last two may overlap."""
    last = max(side - _BLOCK, 0)
    return sorted({*range(0, last, _BLOCK), last})


def _native(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
    tensor: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight.contiguous(), None, stride, [0, 0], [1, 1], False, [0, 0], len(weight),
        [False, True, False],
    )[1]  # fmt: skip
    return tensor


class Depthwise(nn.Module):
    """A depthwise convolution with quick gradients; parameters are shared with the one it replaces.

    Args:
        replaced: one output channel for each input channel, no dilation.
    """

    def __init__(self, replaced: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = replaced.weight, replaced.bias
        self._stride: Pair = (replaced.stride[0], replaced.stride[1])
        self._same = type(replaced) is not nn.Conv2d
        self._padding = replaced.padding

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, C, h, w)` for `(N, C, H, W)`, padded as the replaced one pads."""
        weight = self.weight
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight = x.to(dtype), weight.to(dtype)
        x = pad(x, self._margins(x)).contiguous(memory_format=torch.channels_last)
        out: Tensor = _Depthwise.apply(x, weight, self._stride)
        return out if self.bias is None else out + self.bias.to(out.dtype)[:, None, None]

    def _margins(self, x: Tensor) -> tuple[int, int, int, int]:
        """Return the columns left and right and the rows above and below."""
        if not self._same:
            rows, columns = self._padding
            return (columns, columns, rows, rows)
        sides = []
        for length, side, stride in zip(
            x.shape[2:], self.weight.shape[2:], self._stride, strict=True
        ):
            # TensorFlow's: outputs = ceil(length / stride), the odd one of the margins at the end
            whole = max((-(-length // stride) - 1) * stride + side - length, 0)
            sides.append((whole // 2, whole - whole // 2))
        return (*sides[1], *sides[0])


def quicken(network: nn.Module) -> int:
    """Replace a network's depthwise convolutions in place and return how many there were.

    Names and parameters stay, so states can be loaded into either kind. Those with a stride of 1
    and kernels of 3 x 3 stay, since PyTorch is quick there, and so do kinds that are not known
    here (dilated, or a subclass other than timm's for TensorFlow's padding).
    """
    from timm.layers import Conv2dSame

    count = 0
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            known = type(child) in {nn.Conv2d, Conv2dSame}
            if known and _is_slow(child):
                setattr(module, name, Depthwise(child))
                count += 1
    return count


def _is_slow(child: Any) -> bool:
    return (
        (max(child.stride) > 1 or max(child.kernel_size) > _BLOCK)
        and child.groups == child.in_channels == child.out_channels > 1
        and child.dilation == (1, 1)
        and not isinstance(child.padding, str)
        and child.padding_mode == "zeros"
    )
