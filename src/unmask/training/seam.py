"""The seam head: where a forgery was put in, learned beside the logit and dropped at export.

A map of the backbone at a stride of 16 (or the next finer) is asked for 4 M (1 - M), M the share of
each cell that was put in: 1 where it is half, 0 inside the forgery, outside it and on real faces.
So the layers up to that map must see borders. The head is no part of the network that is kept.

Source: Li et al., "Face X-ray for More General Face Forgery Detection", CVPR 2020, equation 2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

from unmask.core.errors import RecipeError

_STRIDE = 16
_WIDTH = 64


class SeamHead(nn.Module):
    """Two convolutions that read a seam from a map within a backbone.

    Args:
        network: a `FaceNetwork`, which stays as it is.

    Raises:
        RecipeError: its backbone names no maps.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        place = _find_map(network.backbone, network.backbone_name)
        self._module = str(place["module"])
        self.layers = nn.Sequential(
            nn.Conv2d(int(place["num_chs"]), _WIDTH, 1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, 1, 3, padding=1),
        )

    def forward(self, network: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a network's logits `(N,)` and the seam's logits `(N, h, w)` for `(N, 3, H, W)`."""
        seen: list[Tensor] = []
        layer = network.backbone.get_submodule(self._module)
        hook = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        try:
            logits: Tensor = network(x)
        finally:
            hook.remove()
        return logits, self.layers(seen[-1]).squeeze(1)


def _find_map(backbone: Any, name: str) -> dict[str, Any]:
    """Return the last of timm's maps whose stride is at most 16."""
    named = getattr(backbone, "feature_info", None)
    maps = [] if named is None else list(getattr(named, "info", named))
    fine = [each for each in maps if each.get("module") and each["reduction"] <= _STRIDE]
    if not fine or (hasattr(backbone, "blocks") and hasattr(backbone, "patch_embed")):
        raise RecipeError(
            f"{name} has no map that a seam could be read from",
            hint="take one of timm's convolutional networks, or set network.seam_weight=0",
        )
    last: dict[str, Any] = fine[-1]
    return last


def seam_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the mean cross-entropy of the seam's cells, of crops whose mask is known.

    Args:
        logits: `(N, h, w)` of a `SeamHead`.
        masks: `(N, H, W)` shares that were put in, NaN where it is not known.
    """
    share = adaptive_avg_pool2d(masks[:, None], logits.shape[1:]).squeeze(1)
    known = ~torch.isnan(share)
    target = 4 * share[known] * (1 - share[known])
    total = binary_cross_entropy_with_logits(logits.float()[known], target, reduction="sum")
    return total / known.sum().clamp(min=1)
