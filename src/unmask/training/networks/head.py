"""The paper's head, which every network here carries, and its gradient in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.training.networks.scoring_network import ForwardPass, ScoringNetwork


class PaperHead(nn.Module):
    """Global average pooling, Dense 128 ReLU, Dropout 0.5, and one logit for P(fake).

    The paper ends in a two-way softmax. One logit is the same with one number less: a softmax over
    outputs (a, b) depends on their difference only, softmax(a, b)[0] = sigmoid(a - b), and the last
    layer can learn that difference directly. Cross-entropy of the softmax is then binary
    cross-entropy of the sigmoid, example by example, so a class weight multiplies the same term in
    both, and the weighted losses and the functions that minimise them are the same.

    Args:
        channels: channels of the feature map.
        width: units of the dense layer.
        dropout: drop rate between the dense layer and the logit.
    """

    def __init__(self, channels: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, width)
        self.dropout = nn.Dropout(dropout)
        self.logit = nn.Linear(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logit `(N,)` for a feature map `(N, C, h, w)`."""
        return self.classify(features.mean(dim=(2, 3)))

    def classify(self, pooled: Tensor) -> Tensor:
        """Return the logit `(N,)` for features `(N, C)` that are pooled already."""
        hidden = torch.relu(self.hidden(pooled))
        return self.logit(self.dropout(hidden)).squeeze(1)

    def gradient(self, features: Tensor) -> Tensor:
        """Return d logit / d feature map, `(N, C, h, w)`, written out so that it can be exported.

        Through mean pooling, the dense layer and its ReLU; dropout is off, as in scoring.
        """
        open_units = (self.hidden(features.mean(dim=(2, 3))) > 0).to(features.dtype)
        by_channel = (open_units * self.logit.weight[0]) @ self.hidden.weight
        cells = features.shape[2] * features.shape[3]
        return (by_channel / cells)[:, :, None, None].expand_as(features)


class HeadedNetwork(ScoringNetwork):
    """A backbone with the paper's head; a subclass says what its `features` are.

    Args:
        head: the head.
    """

    closed_form = True

    def __init__(self, head: PaperHead) -> None:
        super().__init__()
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """Return the last convolutional feature map, `(N, C, h, w)`."""
        raise NotImplementedError

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score images by their feature map."""
        features = self.features(x)
        return ForwardPass(self.head(features), features)

    def forward_with_gradient(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return logit `(N,)`, feature map `(N, C, h, w)`, and the gradient of the one at it."""
        features = self.features(x)
        return self.head(features), features, self.head.gradient(features)
