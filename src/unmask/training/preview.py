"""A contact sheet of made forgeries: real, mask and fake side by side, to look at before a run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from unmask.training.forgeries import Pair

_TILE_PX = 160
_ACROSS = 3
"""Pairs in a row."""


def contact_sheet(pairs: list[Pair]) -> Image.Image:
    """Return a picture with a row of real, mask and fake for each of some pairs.

    Args:
        pairs: what is shown, three in a row.
    """
    rows = -(-len(pairs) // _ACROSS)
    sheet = Image.new("RGB", (3 * _ACROSS * _TILE_PX, rows * _TILE_PX))
    for number, pair in enumerate(pairs):
        down, across = divmod(number, _ACROSS)
        for place, image in enumerate((pair.real, _grey(pair), pair.fake)):
            tile = image.resize((_TILE_PX, _TILE_PX), Image.Resampling.BILINEAR)
            sheet.paste(tile, ((3 * across + place) * _TILE_PX, down * _TILE_PX))
    return sheet


def _grey(pair: Pair) -> Image.Image:
    return Image.fromarray((255 * pair.mask).round().astype(np.uint8)).convert("RGB")
