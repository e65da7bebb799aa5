"""The paper's head, which every backbone here carries, and its gradient in closed form.

Global average pooling, Dense 128 ReLU, Dropout 0.5, and one logit for P(fake). One sigmoid logit is
the paper's two-way softmax written with one number, since softmax over two outputs depends on their
difference only: softmax(a, b)[0] = sigmoid(a - b).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class HeadedNetwork(nn.Module):
    """A backbone with the paper's head; a subclass says what the backbone's `features` are.

    Args:
        channels: channels of the last feature map.
        hidden: units of the dense layer.
        dropout: drop rate between the dense layer and the logit.
    """

    def __init__(self, channels: int, *, hidden: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, hidden)
        self.dropout = nn.Dropout(dropout)
        self.logit = nn.Linear(hidden, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, C, h, w)`."""
        raise NotImplementedError

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


class Mirrored(HeadedNetwork):
    """A trained network that sees each picture and its mirror image, and judges their mean map.

    The two maps are laid over one another and averaged. Pooling is linear, so this is what the
    head would make of the mean of both pooled maps; one map still explains the logit.

    Args:
        network: the trained network; its weights are shared, not copied.
    """

    def __init__(self, network: HeadedNetwork) -> None:
        super().__init__(network.hidden.in_features)
        self.network = network
        self.hidden, self.dropout, self.logit = network.hidden, network.dropout, network.logit

    def features(self, x: Tensor) -> Tensor:
        """Return the mean of the picture's map and of its mirror image's, mirrored back."""
        mirrored = self.network.features(x.flip(3)).flip(3)
        return (self.network.features(x) + mirrored) / 2
