"""Networks over time: the logit of P(fake) for clips of one face, `(N, T, 3, H, W)`.

`TemporalHead` puts a small convolution over time on what a network of single pictures makes of each
frame; `SpaceTimeNetwork` convolves over space and time from the first layer on. Convolutions over
time are written as two-dimensional ones, so that ONNX and the recorded backward pass need no more
than those of pictures. The map that explains a logit has one layer for each frame.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from unmask.bundle.manifest import Clip
from unmask.training.networks.head import PaperHead
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.scoring_network import ForwardPass, ScoringNetwork

SPACE_TIME = "small_r2plus1d"
"""The name by which recipes call `SpaceTimeNetwork`."""
_CHANNELS = (16, 32, 64, 128)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class ClipNetwork(ScoringNetwork):
    """A network that judges clips.

    Args:
        clip: how many frames, and how few are enough.
    """

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.clip = clip
        self.frames = clip.frames

    def _by_frame(self, features: Tensor) -> Tensor:
        """Return the maps of all frames `(N * T, C, h, w)` as `(N, T, C, h, w)`."""
        return features.reshape(-1, self.frames, *features.shape[1:])


class TemporalHead(ClipNetwork):
    """A network of single pictures with a small convolution over time.

    The logit is the mean of the frames' own logits, and what the convolution adds to it, which is
    nothing at the start: so a trained network of pictures is the worst that it begins with.

    Args:
        frame_network: scores single pictures; its dense layer is the embedding of a frame.
        clip: as of `ClipNetwork`.
    """

    def __init__(self, frame_network: FaceNetwork, clip: Clip) -> None:
        super().__init__(clip)
        width = frame_network.head.hidden.out_features
        self.frame_network = frame_network
        self.over_time = nn.Conv2d(width, width, (3, 1), padding=(1, 0))
        self.added = nn.Linear(width, 1)
        nn.init.zeros_(self.added.weight)
        nn.init.zeros_(self.added.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of P(fake), `(N,)`, for normalised clips `(N, T, 3, H, W)`."""
        return self._judge_frames(x.flatten(0, 1))

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score clips `(N, T, 3, H, W)` by the feature maps, or the tokens, of their frames."""
        frames, network = x.flatten(0, 1), self.frame_network
        if network.tokens is not None:
            return network.tokens.forward_pass(self._judge_frames, frames, arrange=self._by_frame)
        features = network.features(frames)
        return ForwardPass(self._judge(features.mean(dim=(2, 3))), features, self._by_frame)

    def _judge_frames(self, frames: Tensor) -> Tensor:
        """Return the logit of each clip `(N,)`, for the frames of all `(N * T, 3, H, W)`."""
        return self._judge(self.frame_network.embed(frames))

    def _judge(self, pooled: Tensor) -> Tensor:
        """Return the logit of each clip `(N,)`, for pooled features of its frames `(N * T, C)`."""
        frames, head = self.frames, self.frame_network.head
        hidden = torch.relu(head.hidden(pooled))
        own = head.logit(head.dropout(hidden)).reshape(-1, frames).mean(dim=1)
        sequence = hidden.reshape(-1, frames, hidden.shape[1]).transpose(1, 2).unsqueeze(3)
        mixed = torch.relu(self.over_time(sequence)).mean(dim=(2, 3))
        return own + self.added(head.dropout(mixed)).squeeze(1)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward_with_gradient` returns."""
        return self.frame_network.outputs

    @property
    def colours(self) -> tuple[Any, Any]:
        """Mean and deviation of its input."""
        return self.frame_network.colours

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{self.frame_network.title}, convolution over {self.frames} frames"


class SpaceTimeNetwork(ClipNetwork):
    """A small network of convolutions over space and over time in turn, (2+1)D.

    Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR
    2018; far smaller, with the paper's head.

    Args:
        clip: as of `ClipNetwork`.
        head_width: units of the dense layer.
        dropout: drop rate before the logit.
    """

    def __init__(self, clip: Clip, *, head_width: int, dropout: float) -> None:
        super().__init__(clip)
        widths = (3, *_CHANNELS)
        self.blocks = nn.Sequential(
            *(_Block(old, new, clip.frames) for old, new in pairwise(widths))
        )
        self.head = PaperHead(_CHANNELS[-1], width=head_width, dropout=dropout)

    def forward_pass(self, x: Tensor) -> ForwardPass:
        """Score clips `(N, T, 3, H, W)` by the map of the last block."""
        features = self.blocks(x.flatten(0, 1))
        pooled = self._by_frame(features).mean(dim=(1, 3, 4))
        return ForwardPass(self.head.classify(pooled), features, self._by_frame)

    @property
    def colours(self) -> tuple[Any, Any]:
        """Mean and deviation of its input."""
        return _IMAGENET

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{SPACE_TIME} over {self.frames} frames + paper head"


class _Block(nn.Module):
    """Halves maps in space by one convolution, then mixes frames by another, beside a short cut."""

    def __init__(self, old: int, new: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.space = nn.Sequential(
            nn.Conv2d(old, new, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(new), nn.ReLU()
        )
        self.time = nn.Sequential(
            nn.Conv2d(new, new, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(new)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N * T, new, h, w)` for `(N * T, old, H, W)`."""
        maps = self.space(x)
        channels, height, width = maps.shape[1:]
        apart = maps.reshape(-1, self.frames, channels, height * width).transpose(1, 2)
        mixed = self.time(apart).transpose(1, 2).reshape(-1, channels, height, width)
        return torch.relu(maps + mixed)
