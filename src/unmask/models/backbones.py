"""The backbones that a detector can be trained from, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.models import mobilenet, squeezenet
from unmask.models.head import HeadedNetwork


@dataclass(frozen=True)
class Backbone:
    """A network, and its start from ImageNet weights."""

    title: str
    """As the bundle's manifest and card name it."""
    build: Callable[[], HeadedNetwork]
    """Make the network with random weights."""
    start: Callable[[Any, Path, Tensor], None]
    """Load a file of ImageNet weights; the images are normalised crops of the training material."""


def _start_mobilenet(model: mobilenet.MobileNet, weights: Path, images: Tensor) -> None:
    mobilenet.load_imagenet(model, weights)
    mobilenet.measure_norms(model, images)


def _start_squeezenet(model: squeezenet.SqueezeNet, weights: Path, _: Tensor) -> None:
    squeezenet.load_imagenet(model, weights)


BACKBONES = {
    "mobilenet": Backbone("MobileNetV2 1.0 + paper head", mobilenet.MobileNet, _start_mobilenet),
    "squeezenet": Backbone("SqueezeNet 1.1 + paper head", squeezenet.SqueezeNet, _start_squeezenet),
}
"""Every backbone by the name that a recipe gives."""
