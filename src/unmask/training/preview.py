"""A contact sheet of made forgeries: real, mask and fake side by side, to look at before a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from unmask.core.errors import RecipeError
from unmask.training.batches import forgery_maker
from unmask.training.crop_table import Crops
from unmask.training.forgeries import Pair
from unmask.training.recipe import FORGERIES, Recipe

_TILE_PX = 160
_ACROSS = 3
"""Pairs in a row."""
_OF_A_KIND = 9


def write_preview(crops: Crops, recipe: Recipe, target: Path) -> int:
    """Write a contact sheet of the forgeries that a recipe would make, and return their number.

    Args:
        crops: of which the real ones with landmarks are used.
        recipe: kinds of forgery, size and framing.
        target: a PNG.

    Raises:
        RecipeError: no real crop has landmarks.
    """
    reals = [
        index
        for index in np.flatnonzero(~crops.is_fake).tolist()
        if (key := crops.keys[index]).landmarks and key.face_box
    ]
    if not reals:
        raise RecipeError(
            "no real crop has a face box and landmarks: there is nothing to preview",
            hint="give tables with the columns face_box and landmarks (tools/wide_material.py)",
        )
    maker = forgery_maker(crops, recipe)
    rng = np.random.default_rng(recipe.seed)
    shares = zip(FORGERIES, recipe.augmentation.forgeries.shares, strict=True)
    pairs = [
        maker.forged(int(index), rng, recipe.network.size_px, kind=kind)
        for kind, share in shares
        if share
        for index in rng.choice(reals, _OF_A_KIND)
    ]
    contact_sheet(pairs).save(target, "PNG")
    return len(pairs)


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
