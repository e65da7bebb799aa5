"""Saliency maps as values: from what a method computed to `(S, S)` in [0, 1], or a reason.

A map is scaled by its own maximum, so 0 keeps its meaning (nothing here speaks for `fake`) and maps
of two pictures cannot be compared by their colours. Where a map would say nothing it is all zero
and says why, instead of showing the noise of a rounding error in full colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.explain.differentiable import Float

_LEAST_CONTRAST = 1e-6
"""Smallest difference within a map, relative to its maximum, that is not taken for rounding."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one method for a batch of pictures."""

    method: str
    """Name of the method."""
    raw: Float
    """`(N, h, w)` what the method computed: of any sign, on its own grid."""
    scaled: Float
    """`(N, S, S)` float32 in [0, 1], each scaled by its own maximum."""
    empty: tuple[str | None, ...]
    """Why a map is all zero; None where it is not."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.raw)

    def __repr__(self) -> str:
        """Show the shapes."""
        return f"Maps({self.method!r}, {len(self)} maps of {self.scaled.shape[1:]})"


def finish(method: str, raw: NDArray[np.floating], *, size_px: int) -> Maps:
    """Scale and enlarge what a method computed.

    Args:
        method: its name.
        raw: `(N, h, w)`.
        size_px: side of the maps.
    """
    empty = tuple(why_empty(each) for each in raw)
    scaled = np.zeros((len(raw), size_px, size_px), np.float32)
    for number, (each, reason) in enumerate(zip(raw, empty, strict=True)):
        if reason is None:
            positive = np.maximum(each, 0.0) / each.max()
            scaled[number] = enlarge(positive.astype(np.float32), size_px)
    return Maps(method, raw.astype(np.float32), scaled, empty)


def why_empty(raw: NDArray[np.floating]) -> str | None:
    """Say why a map `(h, w)` says nothing, or None where it says something."""
    if not np.isfinite(raw).all():
        return "a value is not finite"
    top = float(raw.max())
    if top <= 0:
        return "nothing in this picture raises the score"
    if top - float(np.maximum(raw, 0.0).min()) <= _LEAST_CONTRAST * top:
        return "the map is the same everywhere"
    return None


def enlarge(small: Float, size_px: int) -> Float:
    """Resize a map `(h, w)` bilinearly: pixel centres at halves, antialiased where it shrinks."""
    resized = Image.fromarray(small).resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32).clip(small.min(), small.max())
