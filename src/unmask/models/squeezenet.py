"""SqueezeNet 1.1 with the paper's head: the smaller and faster of the backbones.

The backbone follows Iandola et al. 2016 (version 1.1).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unmask.models.head import HeadedNetwork, PaperHead
from unmask.models.imagenet import IMAGENET_STD

# in channels, squeeze channels, expand channels (each of the two branches)
_FIRES = (
    (64, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
)
_POOL_BEFORE_FIRE = (0, 2, 4)
FEATURE_CHANNELS = 512


class Fire(nn.Module):
    """Squeeze to few channels with 1x1, then expand with 1x1 and 3x3 side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, 2 * expand, H, W)` for `(N, channels, H, W)`."""
        squeezed = torch.relu(self.squeeze(x))
        return torch.cat(
            [torch.relu(self.expand1(squeezed)), torch.relu(self.expand3(squeezed))], dim=1
        )


class SqueezeNet(HeadedNetwork):
    """SqueezeNet 1.1 features and the paper's head.

    Args:
        hidden: units of the dense layer.
        dropout: drop rate between the dense layer and the logit.
    """

    def __init__(self, *, hidden: int = 128, dropout: float = 0.5) -> None:
        super().__init__(PaperHead(FEATURE_CHANNELS, width=hidden, dropout=dropout))
        self.stem = nn.Conv2d(3, 64, 3, stride=2)
        self.fires = nn.ModuleList(Fire(*widths) for widths in _FIRES)
        self.pool = nn.MaxPool2d(3, stride=2)

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, 512, h, w)`."""
        x = torch.relu(self.stem(x))
        for index, fire in enumerate(self.fires):
            if index in _POOL_BEFORE_FIRE:
                x = self.pool(x)
            x = fire(x)
        return x


def load_imagenet(model: SqueezeNet, path: Path) -> None:
    """Load ImageNet weights of the backbone from a Keras `squeezenet_notop.h5` file.

    Those weights expect BGR in 0..255 less the Caffe means; they are folded here so that the
    network takes RGB in 0..1 normalised with the usual ImageNet mean and deviation.

    Args:
        model: the network, changed in place (as PyTorch's own loaders do).
        path: the Keras file.

    Raises:
        KeyError: a layer is missing in the file.
    """
    import h5py

    def layer(file: h5py.File, name: str) -> tuple[Tensor, Tensor]:
        arrays: list[np.ndarray] = []
        file[name].visititems(
            lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
        kernel = next(array for array in arrays if array.ndim == 4)
        bias = next(array for array in arrays if array.ndim == 1)
        return torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias)

    with h5py.File(path) as file, torch.no_grad():
        kernel, bias = layer(file, "conv1")
        rgb = kernel.flip(1) * torch.tensor(IMAGENET_STD)[None, :, None, None] * 255.0
        model.stem.weight.copy_(rgb)
        model.stem.bias.copy_(bias)
        for number, module in enumerate(model.fires, start=2):
            for name, convolution in (
                ("squeeze1x1", module.squeeze),
                ("expand1x1", module.expand1),
                ("expand3x3", module.expand3),
            ):
                kernel, bias = layer(file, f"fire{number}/{name}")
                convolution.weight.copy_(kernel)
                convolution.bias.copy_(bias)
