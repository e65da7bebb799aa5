"""How pictures go into networks that start from ImageNet weights. Needs no torch.

Batches are made with this (`unmask.training`), and a bundle's manifest notes the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(images: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Stack RGB images of one size into `(N, 3, H, W)` float32, ImageNet-normalised."""
    stack = np.stack([np.asarray(image, dtype=np.float32) for image in images]) / 255.0
    scaled = (stack - np.asarray(IMAGENET_MEAN, dtype=np.float32)) / np.asarray(
        IMAGENET_STD, dtype=np.float32
    )
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)
