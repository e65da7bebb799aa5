"""SqueezeNet 1.1 with the paper's head: the small network behind the shipped detector.

The backbone follows Iandola et al. 2016 (version 1.1). The head is the paper's: global average
pooling, Dense 128 ReLU, Dropout 0.5, and one logit for P(fake). One sigmoid logit is the paper's
two-way softmax written with one number, since softmax over two outputs depends on their difference
only: softmax(a, b)[0] = sigmoid(a - b).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

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


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1 features and the paper's head.

    Args:
        hidden: units of the dense layer.
        dropout: drop rate between the dense layer and the logit.
    """

    def __init__(self, *, hidden: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=2)
        self.fires = nn.ModuleList(Fire(*widths) for widths in _FIRES)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.hidden = nn.Linear(FEATURE_CHANNELS, hidden)
        self.dropout = nn.Dropout(dropout)
        self.logit = nn.Linear(hidden, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, 512, h, w)`."""
        x = torch.relu(self.stem(x))
        for index, fire in enumerate(self.fires):
            if index in _POOL_BEFORE_FIRE:
                x = self.pool(x)
            x = fire(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised images `(N, 3, H, W)`."""
        hidden = torch.relu(self.hidden(self.features(x).mean(dim=(2, 3))))
        return self.logit(self.dropout(hidden)).squeeze(1)

    def forward_with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logit `(N,)`, feature map `(N, C, h, w)` and d logit / d feature map, same shape.

        The gradient is written out by hand so that it can be exported as part of a plain forward
        graph: through mean pooling, the dense layer and its ReLU.
        """
        features = self.features(x)
        before_relu = self.hidden(features.mean(dim=(2, 3)))
        logit = self.logit(torch.relu(before_relu)).squeeze(1)
        open_units = (before_relu > 0).to(features.dtype)
        by_channel = (open_units * self.logit.weight[0]) @ self.hidden.weight
        cells = features.shape[2] * features.shape[3]
        gradient = (by_channel / cells)[:, :, None, None].expand_as(features)
        return logit, features, gradient


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
