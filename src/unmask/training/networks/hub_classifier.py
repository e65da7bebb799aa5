"""Image classifiers of the Hugging Face Hub: transformers' and timm's, from a folder of theirs.

Only `config.json`, `preprocessor_config.json` and `model.safetensors` are read: no code comes from
the Hub, and nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from unmask.bundle.manifest import OUTPUTS, Triple
from unmask.core.errors import InputError
from unmask.training.networks.classifier import TimmClassifier, load_timm_classifier
from unmask.training.networks.output_layout import Label, OutputLayout
from unmask.training.networks.scoring_network import AsMap, ForwardPass, ScoringNetwork, as_it_is

CONFIG, PREPROCESSOR, STATE = "config.json", "preprocessor_config.json", "model.safetensors"
FILES = (CONFIG, PREPROCESSOR, STATE)
"""What is fetched and read."""
_FAKE_WORDS = ("fake", "deepfake", "manipulated", "forged", "synthetic", "generated", "ai")
"""Labels of classes that are fake."""
_MAP_DIMS, _TOKEN_DIMS = 4, 3
_MOST_PREFIX_TOKENS = 8
_MAX_CONFIG_BYTES = 2**20
_MOST_PX = 1024
"""Largest side of pictures that a bundle may ask for."""
_MOST_LAYERS, _MOST_UNITS = 1024, 2**17
"""Larger numbers in a configuration would fill the memory before the weights are looked at."""
_IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, eq=False)
class HubClassifier:
    """A classifier of the Hub with what its configuration says of pictures."""

    network: ScoringNetwork
    """The network."""
    size_px: int
    """Side of its pictures."""
    mean: Triple
    """Subtracted from pixels in [0, 1]."""
    std: Triple
    """Divisor after that."""
    bicubic: bool = False
    """Whether its source resizes pictures bicubically."""


class TransformersClassifier(ScoringNetwork):
    """An image classifier of the package transformers.

    Explained by its last feature map, or by the tokens that its last layer takes; one that gives
    neither only scores.

    Args:
        model: of `AutoModelForImageClassification`.
        layout: which of its outputs is fake.
        size_px: side of its pictures.

    Raises:
        InputError: it takes pictures of another side.
    """

    def __init__(self, model: Any, layout: OutputLayout, *, size_px: int) -> None:
        super().__init__()
        self.model, self.layout = model.eval(), layout
        try:
            self._explained = self._find_layer(size_px)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"the network cannot take pictures of {size_px} px: {_first_line(error)}",
                hint="leave --size out, or give the size that it was trained with",
            ) from error

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{self.model.config.model_type} with its own classifier: {self.layout.described}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward_with_gradient` returns."""
        return OUTPUTS if self._explained is not None else OUTPUTS[:1]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised images `(N, 3, H, W)`."""
        return self.layout.logit(self.model(pixel_values=x).logits)

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score images, keeping the explained layer."""
        if self._explained is None:
            return ForwardPass(self.forward(x))
        place, as_map = self._explained
        result = self.model(pixel_values=x, output_hidden_states=True)
        return ForwardPass(self.layout.logit(result.logits), result.hidden_states[place], as_map)

    def _find_layer(self, size_px: int) -> tuple[int, AsMap] | None:
        """Return which hidden state explains, and how it becomes a map; None if there is none."""
        example = torch.zeros(1, 3, size_px, size_px, requires_grad=True)
        result = self.model(pixel_values=example, output_hidden_states=True)
        states: Sequence[torch.Tensor] = result.hidden_states or ()
        logit = self.layout.logit(result.logits).sum()
        if states and states[-1].ndim == _MAP_DIMS:
            place = len(states) - 1
            as_map: AsMap = as_it_is
        elif len(states) > 1 and states[-2].ndim == _TOKEN_DIMS:
            count = states[-2].shape[1]
            side = isqrt(count)
            if count - side**2 > _MOST_PREFIX_TOKENS:
                return None
            place, as_map = len(states) - 2, _grid(count - side**2, side)
        else:
            return None
        (gradient,) = torch.autograd.grad(logit, states[place], allow_unused=True)
        return None if gradient is None else (place, as_map)


def _grid(prefix: int, side: int) -> AsMap:
    """Return what lays tokens `(N, T, C)` out as `(N, C, side, side)`."""

    def as_map(tokens: Tensor) -> Tensor:
        patches = tokens[:, prefix:].transpose(1, 2)
        return patches.reshape(tokens.shape[0], tokens.shape[2], side, side)

    return as_map


def load_hub_classifier(
    folder: Path, *, fake: str | None = None, single: Label = "fake", size_px: int | None = None
) -> HubClassifier:
    """Read an image classifier from a folder with `FILES`.

    Args:
        folder: where they lie.
        fake: label or number of the class that is fake; None: the only one whose label says so.
        single: what a single output speaks for.
        size_px: side of the pictures; None: as the configuration says.

    Raises:
        InputError: it is no image classifier that can be read, or which class is fake is not known.
    """
    config = _read_json(folder / CONFIG)
    if not (folder / STATE).is_file():
        raise InputError(
            f"there is no {STATE} in {str(folder)!r}, and other weights are not read",
            hint="ask its author to save it as safetensors; pickled weights can run programs",
        )
    if "architecture" in config:
        return _load_timm(folder, config, fake=fake, single=single, size_px=size_px)
    return _load_transformers(folder, config, fake=fake, single=single, size_px=size_px)


def _load_timm(
    folder: Path, config: dict[str, Any], *, fake: str | None, single: Label, size_px: int | None
) -> HubClassifier:
    labels = _labels(config.get("label_names"))
    stated = config.get("num_classes")
    classes = stated if isinstance(stated, int) else len(labels) or 1
    number = _fake_class(labels, classes, fake)
    network: TimmClassifier = load_timm_classifier(
        str(config["architecture"]),
        folder / STATE,
        fake=number,
        single=single,
        size_px=size_px,
    )
    own = _object(config.get("pretrained_cfg"))
    shape = own.get("input_size")
    size = size_px or _side({"size": shape[-1:] if isinstance(shape, list) else None}, {})
    mean, std = own.get("mean", _IMAGENET[0]), own.get("std", _IMAGENET[1])
    bicubic = own.get("interpolation") == "bicubic"
    return HubClassifier(network, size, _triple(mean), _triple(std), bicubic)


def _load_transformers(
    folder: Path, config: dict[str, Any], *, fake: str | None, single: Label, size_px: int | None
) -> HubClassifier:
    from transformers import AutoModelForImageClassification

    try:
        model = AutoModelForImageClassification.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",  # its weights are inside of it, so gradients are exported
        )
    except Exception as error:  # transformers has as many kinds as models
        raise InputError(
            f"{folder} is no image classifier of transformers: {_first_line(error)}",
            hint="export it as ONNX and use `unmask import onnx`",
        ) from error
    classes = int(model.config.num_labels)
    labels = _labels(config.get("id2label"))
    layout = OutputLayout(classes, _fake_class(labels, classes, fake), "logits", single)
    path = folder / PREPROCESSOR
    pictures = _read_json(path) if path.is_file() else {}
    size = size_px or _side(pictures, config)
    network = TransformersClassifier(model, layout, size_px=size)
    if pictures.get("do_normalize", True):
        mean, std = (
            pictures.get("image_mean", _IMAGENET[0]),
            pictures.get("image_std", _IMAGENET[1]),
        )
    else:
        mean, std = (0, 0, 0), (1, 1, 1)
    bicubic = pictures.get("resample") == Image.Resampling.BICUBIC
    return HubClassifier(network, size, _triple(mean), _triple(std), bicubic)


def _read_json(path: Path) -> dict[str, Any]:
    """Read a configuration, if it can be one."""
    hint = "name an image classifier of transformers or timm"
    if not path.is_file() or path.stat().st_size > _MAX_CONFIG_BYTES:
        raise InputError(f"{str(path)!r} is missing, or larger than a configuration is", hint=hint)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {_first_line(error)}", hint=hint) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no configuration", hint=hint)
    for name, value in content.items():
        most = _MOST_LAYERS if "layer" in name or "depth" in name else _MOST_UNITS
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(each, int) and each > most for each in numbers):
            raise InputError(f"{path} asks for {name} of {value!r}, beyond all measure", hint=hint)
    return content


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _labels(named: Any) -> list[str]:
    """Return labels in the order of their classes; transformers numbers them by text."""
    if isinstance(named, dict):
        try:
            return [str(named[key]) for key in sorted(named, key=int)]
        except (TypeError, ValueError):
            return []
    return [str(each) for each in named] if isinstance(named, list) else []


def _fake_class(labels: list[str], classes: int, fake: str | None) -> int | None:
    """Return the number of the class that is fake; None where there is one class."""
    if fake is not None:
        if fake.isdecimal():
            return int(fake)
        matching = [n for n, label in enumerate(labels) if label.casefold() == fake.casefold()]
    else:
        matching = [
            number
            for number, label in enumerate(labels)
            if set(label.casefold().replace("_", " ").replace("-", " ").split()) & set(_FAKE_WORDS)
        ]
    if len(matching) == 1:
        return matching[0]
    if classes == 1 and fake is None:
        return None
    raise InputError(
        f"which class is fake is not known: {', '.join(labels) or f'{classes} without labels'}",
        hint="give --fake with the label or its number, from 0",
    )


def _side(pictures: dict[str, Any], config: dict[str, Any]) -> int:
    """Return the side of the network's pictures."""
    for named in (pictures.get("crop_size"), pictures.get("size"), config.get("image_size")):
        side = named.get("height", named.get("shortest_edge")) if isinstance(named, dict) else named
        side = side[0] if isinstance(side, list) and side else side
        if isinstance(side, int) and 0 < side <= _MOST_PX:
            return side
    raise InputError(f"no size of its pictures up to {_MOST_PX} px is stated", hint="give --size")


def _triple(values: Any) -> Triple:
    try:
        one, two, three = (float(each) for each in values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"mean and deviation must be three numbers, got {values!r}",
            hint="its preprocessor_config.json is damaged",
        ) from error
    return one, two, three


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
