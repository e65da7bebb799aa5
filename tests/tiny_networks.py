"""Networks of a block or two for tests of exports, which take time for each operation.

timm knows them by name once this is imported, and so do recipes.
"""

from __future__ import annotations

from typing import Any

from timm.models import is_model, register_model, resnet, vision_transformer
from torch import Tensor, nn

RESNET, VIT = "tiny_resnet", "tiny_vit"
_CHANNELS = 48


class _TinyResNet(nn.Module):  # type: ignore[misc]  # types of torch are not followed
    """The first layer of a ResNet and one block, with strides as in timm's `test_resnet`."""

    num_features = _CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "classifier": "fc"}
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        shortcut = nn.Sequential(
            nn.Conv2d(32, _CHANNELS, 1, stride=2, bias=False), nn.BatchNorm2d(_CHANNELS)
        )
        self.block = resnet.BasicBlock(32, _CHANNELS, stride=2, downsample=shortcut)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.block(self.stem(x))
        return features


def tiny_resnet(**_: Any) -> nn.Module:
    """Return a residual network of one block."""
    return _TinyResNet()


def tiny_vit(pretrained: bool = False, **options: Any) -> nn.Module:
    """Return timm's `test_vit` with two of its six blocks."""
    plan = {"patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 2, "mlp_ratio": 3}
    make = vision_transformer._create_vision_transformer
    return make("test_vit", pretrained, **plan, dynamic_img_size=True, **options)


for make, family in ((tiny_resnet, resnet), (tiny_vit, vision_transformer)):
    if not is_model(make.__name__):  # pytest imports this file twice, once for its doctests
        make.__module__ = family.__name__  # by this timm tells families
        register_model(make)
