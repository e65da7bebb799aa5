"""A backbone of timm with the paper's head, and how pictures go into it.

Training makes a `FaceNetwork`, the exporter turns it into a bundle, and `read_preprocessing` gives
the one `Preprocessing` that training, scanning and evaluation share.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from unmask.bundle.manifest import TRANSFORMER_OUTPUTS, Preprocessing
from unmask.core.errors import InputError, InputNotFound
from unmask.core.settings import DEFAULT_MARGIN_RATIO, DEFAULT_SIZE_PX
from unmask.training.networks.head import HeadedNetwork, PaperHead
from unmask.training.networks.scoring_network import ForwardPass, differentiate
from unmask.training.networks.timm_models import TokenGrid, is_transformer, make_timm_model

_WEIGHT_FILES = (".safetensors", ".pt", ".pth")
_PREFIX = "backbone."
_HEAD = "head.logit"


class FaceNetwork(HeadedNetwork):
    """A backbone of timm and the paper's head: the logit of P(fake) for face crops.

    Args:
        backbone: timm's name of a convolutional network, or of a vision transformer: ViT, DINOv2, a
            tower of CLIP. What timm pools of its tokens goes into the head.
        weights: None to start at random; `imagenet` for timm's weights (from its cache or the
            internet); or a file with weights of the backbone or of a whole `FaceNetwork`:
            `.safetensors`, or `.pt`/`.pth`, which is read without running anything in it.
        head_width: units of the dense layer.
        dropout: drop rate before the logit.
        drop_path: how often the last residual block is left out in training, earlier ones less.
        mirrored: whether it judges, once trained, the mean of a picture's feature map and of its
            mirror image's, laid over one another. Pooling is linear, so this is what the head makes
            of the mean of both pooled maps, and one map still explains the logit.
        size_px: side of the pictures; only a transformer is made for one size.

    Raises:
        InputError: timm knows no such network, the file does not fit it, it has no blocks for
            `drop_path` to leave out, or it is a transformer and `mirrored`.
        InputNotFound: there is no such file.
        DownloadError: the ImageNet weights could not be fetched.
    """

    def __init__(
        self,
        backbone: str,
        *,
        weights: Literal["imagenet"] | Path | None = None,
        head_width: int = 128,
        dropout: float = 0.5,
        drop_path: float = 0.0,
        mirrored: bool = False,
        size_px: int = DEFAULT_SIZE_PX,
    ) -> None:
        transformer = is_transformer(backbone)
        if transformer and mirrored:
            raise InputError(
                f"{backbone} cannot judge mirror images: the maps of its tokens have no mean",
                hint="leave network.mirrored out, or take a convolutional network",
            )
        options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
        options |= {"img_size": size_px} if transformer else {"global_pool": ""}
        model = make_timm_model(
            backbone, pretrained=weights == "imagenet", num_classes=0, **options
        )
        channels, tokens = int(model.num_features), TokenGrid(model) if transformer else None
        super().__init__(PaperHead(channels, width=head_width, dropout=dropout))
        self.backbone_name, self.backbone, self.tokens = backbone, model, tokens
        self.channels, self.mirrored = channels, mirrored
        self.frozen = False
        """Whether the backbone stays in evaluation mode while the head learns."""
        self.closed_form = not transformer
        if isinstance(weights, Path):
            self._load(weights)

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, C, h, w)`, for `(N, 3, H, W)`.

        Of a transformer, the tokens that its last block attends to, as the grid of their patches.

        Raises:
            ValueError: the backbone gives no such map.
        """
        if self.tokens is not None:
            return self.tokens.features(self, x)
        features = self._map(x)
        if self.mirrored and not self.training:
            return (features + self._map(x.flip(3)).flip(3)) / 2
        return features

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, or back; a frozen backbone stays as it is."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised images `(N, 3, H, W)`."""
        return self.head.classify(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return what the head judges of images: pooled features `(N, C)`."""
        if self.tokens is None:
            return self.features(x).mean(dim=(2, 3))
        backbone: Any = self.backbone
        pooled: Tensor = backbone.forward_head(backbone.forward_features(x), pre_logits=True)
        return pooled

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score images by their feature map or tokens."""
        return super().forward_pass(x) if self.tokens is None else self.tokens.forward_pass(self, x)

    def forward_with_gradient(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what a scoring file gives: see `outputs`."""
        return super().forward_with_gradient(x) if self.tokens is None else differentiate(self, x)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward_with_gradient` returns."""
        return super().outputs if self.tokens is None else TRANSFORMER_OUTPUTS

    def _map(self, x: Tensor) -> Tensor:
        features: Tensor = self.backbone.forward_features(x)
        if features.ndim != 4 or features.shape[1] != self.channels:
            raise ValueError(
                f"{self.backbone_name} gives {tuple(features.shape)}; "
                f"a convolutional feature map (N, {self.channels}, h, w) is needed"
            )
        return features

    @property
    def colours(self) -> tuple[Any, Any]:
        """Mean and deviation of its input, those its ImageNet weights were made with."""
        config = self.backbone.pretrained_cfg
        return config["mean"], config["std"]

    @property
    def title(self) -> str:
        """The network in words."""
        whole = f"{self.backbone_name} + paper head"
        return f"{whole}, mean of picture and mirror image" if self.mirrored else whole

    def _load(self, path: Path) -> None:
        """Load weights of the backbone alone, or of all if they are there."""
        state = read_weights(path)
        whole = any(name.startswith(_PREFIX) for name in state)
        target: nn.Module = self if whole else self.backbone
        if not whole:
            state = _as_timm_wants(self.backbone, _without_classifier(self.backbone, state))
        misfit = load_into(target, state)
        if misfit:
            raise InputError(
                f"{path} does not fit {self.backbone_name}: {misfit}",
                hint=f"give weights of timm's {self.backbone_name}",
            )


class _Coloured(Protocol):
    """A network that knows mean and deviation of its input."""

    @property
    def colours(self) -> tuple[Any, Any]: ...


def read_preprocessing(
    network: _Coloured,
    size_px: int,
    *,
    margin_ratio: float = DEFAULT_MARGIN_RATIO,
    shift_y_ratio: float = 0.0,
) -> Preprocessing:
    """Return how pictures go into a network: the object that its bundle will carry.

    Args:
        network: gives mean and deviation.
        size_px: side of the square input.
        margin_ratio: side of the square crop over the longer side of the face box.
        shift_y_ratio: how far the crop's centre lies below the box's, in sides of the crop.
    """
    mean, std = network.colours
    return Preprocessing(
        size_px=size_px,
        margin_ratio=margin_ratio,
        shift_y_ratio=shift_y_ratio,
        mean=mean,
        std=std,
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a `.safetensors` file, or from a `.pt`/`.pth` that holds no more.

    Raises:
        InputNotFound: there is no such file.
        InputError: it is of another kind, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise InputNotFound(
            f"no weights file {str(path)!r}", hint="give a .safetensors or .pt file"
        )
    if path.suffix not in _WEIGHT_FILES:
        raise InputError(
            f"weights are read from {', '.join(_WEIGHT_FILES)}, got {path.name!r}",
            hint="save them with safetensors.torch.save_file",
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file ends torch's reader in a dozen ways
        raise InputError(
            f"{path} holds no weights that can be read safely: "
            f"{(str(error) or type(error).__name__).splitlines()[0]}",
            hint="save the state dictionary alone, with safetensors.torch.save_file",
        ) from error


def require_head(path: Path) -> None:
    """Refuse a file whose network was not trained with the paper's head: it would score at random.

    Raises:
        InputError: the file holds a backbone, or a network with a classifier of its own.
        InputNotFound: there is no such file.
    """
    if f"{_HEAD}.weight" not in read_weights(path):
        raise InputError(
            f"{path.name} has no head of this program's networks, and another would be random",
            hint="keep the classifier that it has with `unmask import timm`, or train a head with "
            "`unmask train --set network.weights=FILE`",
        )


def _tensors(loaded: Any) -> dict[str, Tensor]:
    """Return the state dictionary, also from under `state_dict`."""
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise TypeError("not a dictionary of tensors")
    return state


def load_into(target: nn.Module, state: dict[str, Tensor]) -> str | None:
    """Load a state and return what did not fit, or None."""
    try:
        outcome = target.load_state_dict(state, strict=False)
    except RuntimeError as error:
        return str(error).splitlines()[1].strip()
    if outcome.missing_keys:
        return f"{len(outcome.missing_keys)} tensors are missing, such as {outcome.missing_keys[0]}"
    if outcome.unexpected_keys:
        unknown = outcome.unexpected_keys
        return f"{len(unknown)} tensors are not the network's, such as {unknown[0]}"
    return None


def _without_classifier(backbone: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the ImageNet classifier, which the paper's head replaces."""
    names = backbone.pretrained_cfg["classifier"]
    layers = (names,) if isinstance(names, str) else tuple(names)
    prefixes = tuple(f"{layer}." for layer in layers)
    return {name: tensor for name, tensor in state.items() if not name.startswith(prefixes)}


def _as_timm_wants(backbone: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return published weights of a transformer under timm's names, for pictures of another size.

    timm's own filter: it renames those of DINO, CLIP and others, and resamples positions.
    """
    convert = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    return convert(state, backbone) if hasattr(backbone, "blocks") and convert else state
