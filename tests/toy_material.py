"""Toy training material: drawn faces."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def drawn_face(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Draw a head with eyes and a mouth in random colours on random noise."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    width, height = size
    draw = ImageDraw.Draw(image)
    skin, dark = (tuple(rng.integers(low, low + 90, 3).tolist()) for low in (140, 10))
    draw.ellipse((0.2 * width, 0.12 * height, 0.8 * width, 0.95 * height), fill=skin)
    for x in (0.35, 0.58):
        draw.ellipse((x * width, 0.4 * height, (x + 0.08) * width, 0.46 * height), fill=dark)
    draw.ellipse((0.38 * width, 0.7 * height, 0.62 * width, 0.77 * height), fill=dark)
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
