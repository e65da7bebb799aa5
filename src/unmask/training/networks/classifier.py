"""Classifiers that were trained elsewhere, with the classifier that they came with.

timm's networks and those that are built of their parts; `hub_classifier` has those of transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.bundle.manifest import OUTPUTS, TRANSFORMER_OUTPUTS
from unmask.core.errors import InputError
from unmask.training.networks.network import load_into, read_weights
from unmask.training.networks.output_layout import OutputLayout
from unmask.training.networks.scoring_network import ForwardPass, ScoringNetwork, as_it_is
from unmask.training.networks.timm_models import TokenGrid, is_transformer, make_timm_model

_MAP_DIMS = 4


class TimmClassifier(ScoringNetwork):
    """One of timm's networks with its own classifier.

    Args:
        model: the network.
        name: timm's name of it.
        layout: which of its outputs is fake.
    """

    def __init__(self, model: Any, name: str, layout: OutputLayout) -> None:
        super().__init__()
        self.model, self.layout, self._name = model, layout, name
        self.tokens = TokenGrid(model) if is_transformer(name) else None
        self._channels = int(model.num_features)

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{self._name} with its own classifier: {self.layout.described}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward_with_gradient` returns."""
        return OUTPUTS if self.tokens is None else TRANSFORMER_OUTPUTS

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised images `(N, 3, H, W)`."""
        return self.layout.logit(self.model(x))

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score images by their last feature map or tokens."""
        if self.tokens is not None:
            return self.tokens.forward_pass(self, x)
        features = self.model.forward_features(x)
        logits = self.layout.logit(self.model.forward_head(features))
        if features.ndim == _MAP_DIMS and features.shape[1] == self._channels:
            return ForwardPass(logits, features, as_it_is)
        if features.ndim == _MAP_DIMS and features.shape[3] == self._channels:
            return ForwardPass(logits, features, _channels_first)
        raise InputError(
            f"{self._name} gives features {tuple(features.shape)}, which are no map",
            hint="export it as ONNX and use `unmask import onnx`: it is explained by occlusion",
        )


def _channels_first(features: Tensor) -> Tensor:
    return features.permute(0, 3, 1, 2)


def load_timm_classifier(
    name: str,
    weights: Path,
    *,
    fake: int | None = None,
    single: Any = "fake",
    size_px: int | None = None,
) -> TimmClassifier:
    """Make one of timm's networks with the classifier that a file holds.

    Args:
        name: timm's name.
        weights: a state dictionary, `.safetensors`, `.pt` or `.pth`; nothing in it is run.
        fake: number of the class that is fake; None: see `OutputLayout`.
        single: what a single output speaks for.
        size_px: side of the pictures of a transformer; None: the network's own.

    Raises:
        InputError: timm knows no such network, the file does not fit it, or it has no classifier.
        InputNotFound: there is no such file.
    """
    state = read_weights(weights)
    transformer = is_transformer(name)
    options: dict[str, Any] = {"img_size": size_px} if transformer and size_px is not None else {}
    probe = make_timm_model(name, **options)
    classes = _classes(probe, state, weights, name)
    model = make_timm_model(name, num_classes=classes, **options)
    misfit = load_into(model, state)
    if misfit:
        raise InputError(
            f"{weights} does not fit {name}: {misfit}",
            hint="give weights of timm's network of that name, and --size for a transformer of "
            "another size",
        )
    layout = OutputLayout(classes, fake, "logits", single)
    return TimmClassifier(model.eval(), name, layout)


def _classes(model: Any, state: dict[str, Tensor], weights: Path, name: str) -> int:
    """Return how many classes the classifier in a file has."""
    named = model.pretrained_cfg["classifier"]
    for layer in (named,) if isinstance(named, str) else named:
        for suffix in ("weight", "fc.weight"):
            tensor = state.get(f"{layer}.{suffix}")
            if isinstance(tensor, torch.Tensor) and tensor.ndim >= 2:
                return int(tensor.shape[0])
    raise InputError(
        f"{weights.name} holds no classifier of {name} ({named})",
        hint="train one with `unmask train --set network.weights=FILE`, or give the whole network",
    )
