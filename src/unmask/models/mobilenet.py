"""MobileNetV2 1.0 with the paper's head, and its start from a quantised ImageNet file.

The backbone follows Sandler et al. 2018 in TensorFlow's form: a convolution of stride 2 pads an
even side at its end only. The weights at hand are TensorFlow Lite's, 8 bits, with batch
normalisation folded into the convolutions; here they are read back as floats and batch
normalisation is put in again, so that the network trains as well as one that never lost it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from unmask.models.head import HeadedNetwork, PaperHead
from unmask.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from unmask.models.tflite import Convolution, read_convolutions

# expansion, output channels, blocks, stride of the first block
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280


class ConvolutionNorm(nn.Module):
    """Convolution with TensorFlow's padding, batch normalisation, and ReLU6 if it is wanted."""

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        side: int,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, out, side, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, out, H / stride, W / stride)`, rounded up."""
        side, stride = self.convolution.kernel_size[0], self.convolution.stride[0]
        if side > 1:
            down, right = (_padding(length, side, stride) for length in x.shape[2:])
            x = pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        x = self.norm(self.convolution(x))
        return nn.functional.relu6(x) if self.active else x


def _padding(length: int, side: int, stride: int) -> int:
    """Cells to add so that the output has `ceil(length / stride)` cells."""
    return max(0, (-(-length // stride) - 1) * stride + side - length)


class Bottleneck(nn.Module):
    """Inverted residual: expand with 1x1, filter each channel with 3x3, project with 1x1."""

    def __init__(self, channels: int, out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers = [] if expansion == 1 else [ConvolutionNorm(channels, wide, side=1)]
        layers.append(ConvolutionNorm(wide, wide, side=3, stride=stride, groups=wide))
        layers.append(ConvolutionNorm(wide, out, side=1, active=False))
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, out, H / stride, W / stride)`."""
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNet(HeadedNetwork):
    """MobileNetV2 1.0 features and the paper's head.

    Args:
        hidden: units of the dense layer.
        dropout: drop rate between the dense layer and the logit.
    """

    def __init__(self, *, hidden: int = 128, dropout: float = 0.5) -> None:
        super().__init__(PaperHead(FEATURE_CHANNELS, width=hidden, dropout=dropout))
        self.stem = ConvolutionNorm(3, STEM_CHANNELS, side=3, stride=2)
        blocks, channels = [], STEM_CHANNELS
        for expansion, out, count, first_stride in _STAGES:
            for number in range(count):
                stride = first_stride if number == 0 else 1
                blocks.append(Bottleneck(channels, out, expansion=expansion, stride=stride))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.last = ConvolutionNorm(channels, FEATURE_CHANNELS, side=1)

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, 1280, h, w)`."""
        return self.last(self.blocks(self.stem(x)))


def load_imagenet(model: MobileNet, path: Path) -> None:
    """Load ImageNet weights from a quantised TensorFlow Lite file; see also `measure_norms`.

    Those weights take RGB in -1..1; they are folded here to take it with the usual ImageNet mean
    and deviation. Batch normalisation is set to add the file's bias and to change nothing else.

    Args:
        model: the network, changed in place (as PyTorch's own loaders do).
        path: the file.

    Raises:
        ValueError: the file holds another network.
    """
    layers = _layers(model)
    found = read_convolutions(path)[: len(layers)]
    if [c.kernel.shape for c in found] != [tuple(y.convolution.weight.shape) for y in layers]:
        raise ValueError(
            f"{path} is no MobileNetV2 1.0: its {len(found)} first convolutions have other shapes"
        )
    with torch.no_grad():
        for number, (layer, read) in enumerate(zip(layers, found, strict=True)):
            kernel, bias = _tensors(read)
            if number == 0:
                kernel, bias = _for_normalised_input(kernel, bias)
            layer.convolution.weight.copy_(kernel)
            _set_norm(layer.norm, mean=torch.zeros_like(bias), variance=torch.ones_like(bias))
            layer.norm.bias.copy_(bias)


def measure_norms(model: MobileNet, images: Tensor) -> None:
    """Give batch normalisation the statistics of `images`, without changing what comes out.

    Kernels are brought to length 1 first (their scale goes into the normalisation), so that one
    learning rate suits them all.

    Args:
        model: a network as `load_imagenet` leaves it, changed in place.
        images: `(N, 3, H, W)`, normalised.
    """
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        seen[norm] = (inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3)))

    layers = _layers(model)
    handles = [layer.norm.register_forward_pre_hook(note) for layer in layers]
    with torch.no_grad():
        model.eval()(images)
        for handle, layer in zip(handles, layers, strict=True):
            handle.remove()
            weight = layer.convolution.weight
            length = weight.flatten(1).norm(dim=1).clamp(min=1e-3)
            weight.div_(length[:, None, None, None])
            mean, variance = seen[layer.norm]
            offset = layer.norm.bias + mean
            _set_norm(layer.norm, mean=mean / length, variance=variance / length**2)
            layer.norm.weight.mul_(length)
            layer.norm.bias.copy_(offset)


def _set_norm(norm: nn.BatchNorm2d, *, mean: Tensor, variance: Tensor) -> None:
    """Set the running statistics, and the scale that undoes the division by the deviation."""
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))


def _layers(model: MobileNet) -> list[ConvolutionNorm]:
    """Return the convolutions in the order in which the picture meets them."""
    inner = [layer for block in model.blocks for layer in block.layers]
    return [model.stem, *inner, model.last]


def _tensors(read: Convolution) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(read.kernel), torch.from_numpy(read.bias)


def _for_normalised_input(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Fold `pixel / 128 - 1` of an ImageNet-normalised pixel into the first convolution."""
    scale = torch.tensor(IMAGENET_STD) * 255 / 128
    offset = torch.tensor(IMAGENET_MEAN) * 255 / 128 - 1
    shift = (kernel * offset[None, :, None, None]).sum(dim=(1, 2, 3))
    return kernel * scale[None, :, None, None], bias + shift
