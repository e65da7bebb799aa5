"""Checkpoints of DeepfakeBench as timm's networks, tensor by tensor.

Source of the names: https://github.com/SCLBD/DeepfakeBench (Yan et al., NeurIPS 2023),
`training/networks` and `training/detectors`: a detector keeps its network under `backbone.`, and
its two outputs are real and fake. Its pictures are 256 px, normalised by 0.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from unmask.core.errors import InputError
from unmask.training.networks.classifier import TimmClassifier
from unmask.training.networks.network import load_into, read_weights
from unmask.training.networks.output_layout import OutputLayout
from unmask.training.networks.timm_models import make_timm_model

SIZE_PX = 256
"""Side of its pictures."""
NORMAL = (0.5, 0.5, 0.5)
"""Mean and deviation of its pictures."""
CLASSES = 2
_PREFIX = re.compile(r"^(module\.)?(backbone\.)?")
_UNUSED = "adjust_channel."
"""A layer that its networks carry and that none of these detectors uses."""
_B4_IMAGE_PX = 380
"""efficientnet_pytorch pads for pictures of this side, whatever side they have."""

Names = dict[str, Tensor]


@dataclass(frozen=True)
class Published:
    """One of its networks."""

    timm_name: str
    """timm's network of the same build."""
    rename: Callable[[Names, Any], Names]
    """From its names to timm's."""
    adapt: Callable[[Any], None] = lambda _: None
    """What differs in the build, changed in timm's network after loading."""


def load_deepfakebench(checkpoint: Path, model: str) -> TimmClassifier:
    """Read a checkpoint of DeepfakeBench with its classifier.

    Args:
        checkpoint: a state dictionary, `.pth`, `.pt` or `.safetensors`; nothing in it is run.
        model: one of `NETWORKS`.

    Raises:
        InputError: there is no such network, or the file does not fit it.
        InputNotFound: there is no such file.
    """
    if model not in NETWORKS:
        raise InputError(
            f"no network {model!r} of DeepfakeBench can be read",
            hint=f"there are: {', '.join(NETWORKS)}; others as ONNX with `unmask import onnx`",
        )
    published = NETWORKS[model]
    state = {_PREFIX.sub("", name): tensor for name, tensor in read_weights(checkpoint).items()}
    used = {name: tensor for name, tensor in state.items() if not name.startswith(_UNUSED)}
    network = make_timm_model(published.timm_name, num_classes=CLASSES)
    misfit = load_into(network, published.rename(used, network))
    if misfit:
        raise InputError(
            f"{checkpoint} is no {model} of DeepfakeBench: {misfit}",
            hint=f"choose another --model of {', '.join(NETWORKS)}, or export it as ONNX",
        )
    published.adapt(network)
    return TimmClassifier(network.eval(), published.timm_name, OutputLayout(CLASSES))


def _rename_xception(state: Names, _network: Any) -> Names:
    return {re.sub(r"^last_linear\.(1\.)?", "fc.", name): each for name, each in state.items()}


_RESNET_PARTS = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""Its ResNet is a sequence of torchvision's parts."""


def _rename_resnet(state: Names, _network: Any) -> Names:
    def timm_name(name: str) -> str:
        parts = name.split(".")
        if parts[0] != "resnet" or parts[1] not in _RESNET_PARTS:
            return name
        return ".".join([_RESNET_PARTS[parts[1]], *parts[2:]])

    return {timm_name(name): each for name, each in state.items()}


_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_WIDENING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
} | _SQUEEZE
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
} | _SQUEEZE
"""Parts of efficientnet_pytorch's blocks, with and without a widening convolution, by timm's."""


def _rename_efficientnet(state: Names, network: Any) -> Names:
    blocks = _blocks(network)

    def timm_name(name: str) -> str:
        parts = name.removeprefix("efficientnet.").split(".")
        if parts[0] == "last_layer":
            return ".".join(["classifier", *parts[1:]])
        if parts[0] == "_blocks" and int(parts[1]) < len(blocks):
            place, block = blocks[int(parts[1])]
            known = _WIDENING if hasattr(block, "conv_pwl") else _SEPARABLE
            return ".".join([place, known.get(parts[2], parts[2]), *parts[3:]])
        return ".".join([_STEM.get(parts[0], parts[0]), *parts[1:]])

    return {timm_name(name): each for name, each in state.items()}


def _blocks(network: Any) -> list[tuple[str, Any]]:
    """Return timm's blocks in order, with their names."""
    return [
        (f"blocks.{stage}.{number}", block)
        for stage, blocks in enumerate(network.blocks)
        for number, block in enumerate(blocks)
    ]


def _pad_as_published(network: Any) -> None:
    """Pad timm's EfficientNet as DeepfakeBench's pads.

    Its first convolution was replaced by one without padding, and the others pad for pictures of
    380 px even where theirs are of 256.
    """
    network.conv_stem = _fixed(network.conv_stem, (0, 0))
    side = -(-_B4_IMAGE_PX // 2)
    for _, block in _blocks(network):
        kernel, stride = block.conv_dw.kernel_size[0], block.conv_dw.stride[0]
        out = -(-side // stride)
        if stride > 1:
            whole = max((out - 1) * stride + kernel - side, 0)
            block.conv_dw = _fixed(block.conv_dw, (whole // 2, whole - whole // 2))
        side = out


def _fixed(replaced: nn.Conv2d, margins: tuple[int, int]) -> nn.Module:
    """Return a convolution with the same weights and fixed margins before and behind."""
    conv = nn.Conv2d(
        replaced.in_channels,
        replaced.out_channels,
        replaced.kernel_size[0],
        replaced.stride[0],
        groups=replaced.groups,
        bias=False,
    )
    conv.weight = replaced.weight
    return nn.Sequential(nn.ZeroPad2d((*margins, *margins)), conv) if any(margins) else conv


NETWORKS = {
    "xception": Published("legacy_xception", _rename_xception),
    "efficientnetb4": Published("tf_efficientnet_b4", _rename_efficientnet, _pad_as_published),
    "resnet34": Published("resnet34", _rename_resnet),
}
"""Networks of DeepfakeBench that can be read, by its names."""
