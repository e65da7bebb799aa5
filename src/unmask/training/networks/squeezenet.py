"""SqueezeNet 1.1 as one of timm's networks: torchvision's layers under timm's conventions.

timm has no SqueezeNet. It has neither depthwise convolutions nor batch normalisation, so it is the
quickest network here to train on a CPU, and it errs on other pictures than those that have them.

Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016.
"""

from __future__ import annotations

from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torchvision import models

_NAME = "squeezenet1_1"

default_cfgs = generate_default_cfgs(
    {
        f"{_NAME}.tv_in1k": {
            "url": models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url,
            "license": "bsd-3-clause",
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": "features.0",
            "classifier": "classifier.1",
        }
    }
)


class SqueezeNet(nn.Module):
    """The convolutions of SqueezeNet 1.1, without pooling and classifier.

    Args:
        num_classes: 0, since there is no classifier.
        in_chans: 3.
        global_pool: empty, since there is no pooling.

    Raises:
        RuntimeError: something else is asked for.
    """

    def __init__(self, num_classes: int = 0, in_chans: int = 3, global_pool: str = "") -> None:
        super().__init__()
        if (num_classes, in_chans, global_pool) != (0, 3, ""):
            raise RuntimeError("this SqueezeNet takes colour pictures and ends in its feature map")
        self.num_classes, self.num_features = 0, 512
        self.features = models.squeezenet1_1().features

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last feature map, `(N, 512, h, w)`, for normalised pictures `(N, 3, H, W)`."""
        features: Tensor = self.features(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature map: nothing comes after it."""
        return self.forward_features(x)


@register_model  # type: ignore[untyped-decorator]  # timm has no types
def squeezenet1_1(pretrained: bool = False, **options: Any) -> nn.Module:
    """Make the network, as timm's registry calls for it."""
    model: nn.Module = build_model_with_cfg(SqueezeNet, _NAME, pretrained, **options)
    return model
