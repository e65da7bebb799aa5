"""Pictures as data URIs: crops as JPEG, saliency maps as small transparent PNG.

The report is one file without network, so its pictures are written into it. The map is a picture
of its own, laid over the crop by the page, so that a reader can take it away and see what the
network saw. `html` calls these functions.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAP_SIDE_PX = 64
"""Longest side of a written map; GradCAM's own grid is far coarser."""

_STOPS = np.array([0.0, 0.35, 0.6, 0.8, 1.0])
_COLOURS = np.array(
    [[38, 20, 92], [122, 32, 140], [216, 52, 112], [250, 136, 50], [255, 236, 110]], dtype=float
)
"""Dark violet over magenta to yellow: lightness rises, so that it reads without colour."""


def jpeg_uri(image: NDArray[np.uint8], *, side_px: int | None = None) -> str:
    """Write a picture as a JPEG data URI.

    Args:
        image: `(H, W, 3)` RGB uint8.
        side_px: longest side to reduce to, None to keep the size.

    Returns:
        A `data:image/jpeg` URI, quality 85.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    if side_px is not None:
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return _uri(picture, "JPEG", quality=85, optimize=True)


def overlay(saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour a saliency map; where the network did not look it is transparent.

    Args:
        saliency: `(H, W)` in [0, 1].

    Returns:
        `(H, W, 4)` RGBA uint8.
    """
    strength = np.clip(saliency.astype(np.float64), 0.0, 1.0)
    channels = [np.interp(strength, _STOPS, _COLOURS[:, i]) for i in range(3)]
    alpha = 255.0 * np.clip((strength - 0.08) / 0.5, 0.0, 1.0)
    blended: NDArray[np.uint8] = np.rint(np.stack([*channels, alpha], axis=-1)).astype(np.uint8)
    return blended


def overlay_uri(saliency: NDArray[np.float32]) -> str:
    """Write a saliency map as a transparent PNG data URI.

    Args:
        saliency: `(H, W)` in [0, 1], finite.

    Returns:
        A `data:image/png` URI of at most `MAP_SIDE_PX` on the longest side.

    Raises:
        ValueError: the map holds NaN or infinity.
    """
    if not np.isfinite(saliency).all():
        raise ValueError("a saliency map must be finite; None stands for no map")
    height, width = saliency.shape
    scale = min(1.0, MAP_SIDE_PX / max(height, width))
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    plane = Image.fromarray(np.ascontiguousarray(saliency, dtype=np.float32))
    small = np.asarray(plane.resize(target, Image.Resampling.BOX), dtype=np.float32)
    return _uri(Image.fromarray(overlay(small)), "PNG", optimize=True)


def _uri(picture: Image.Image, kind: str, **options: int | bool) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
