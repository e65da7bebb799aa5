"""Batches of crops: which crops, and what they go through, follow from seed and step alone.

So a run that is killed goes on with the batches that it would have had. A batch is bytes, HWC RGB;
the network's edge normalises it on the device. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.errors import RecipeError
from unmask.core.settings import DEFAULT_MARGIN_RATIO
from unmask.training.augment import degrade, random_window, smooth_skin
from unmask.training.crop_table import Crops
from unmask.training.forgery_source import BLEND_SCALE, ForgeryMaker
from unmask.training.hulls import coarse_mask
from unmask.training.recipe import Recipe
from unmask.training.sampling import Classes, Order, Positions
from unmask.training.selfblend import part_of_fake, same_frame, self_blend

Pixels = NDArray[np.uint8]
Batch = tuple[NDArray[Any], ...]
"""Pixels and labels; masks as well where a seam head learns."""
Degrade = Callable[[Image.Image, np.random.Generator], Image.Image]
Mask = NDArray[np.float32] | float
"""Share of each pixel that was put in, or of all of them alike."""
_UNKNOWN = float("nan")
_PASSES, _STEPS = 0, 1
"""Second word of a seed, so that the streams of passes and of steps are apart."""


def resize_crop(image: Image.Image, size_px: int) -> Image.Image:
    """Return a crop in the network's size, as scoring resizes it."""
    if image.width == size_px:
        return image
    return image.resize((size_px, size_px), Image.Resampling.BILINEAR)


def network_pixels(crops: Crops, index: int, size_px: int) -> Pixels:
    """Return a crop in the network's size, `(S, S, 3)`; of clips one clip, `(T, S, S, 3)`."""
    return crops.pixels(index, lambda frames: [resize_crop(frame, size_px) for frame in frames])


def find_classes(crops: Crops, *, drawn: NDArray[np.bool_] | None = None) -> Classes:
    """Return where each class is, and for each fake the nearest real crop of the same footage.

    Crops of another compression are taken only where the footage has none of the fake's own. Of
    several that are equally near, the one that fewest fakes have so far is taken: all serve.

    Args:
        crops: all of them.
        drawn: `(N,)` whether a crop counts; None counts all.
    """
    is_fake = crops.is_fake
    counted = np.ones(len(crops), dtype=np.bool_) if drawn is None else drawn
    return Classes(
        np.flatnonzero(~is_fake & counted),
        np.flatnonzero(is_fake & counted),
        _originals(crops),
    )


def _originals(crops: Crops) -> Positions:
    """Return `(N,)` of each fake its nearest real crop, see `find_classes`; else -1."""
    columns = crops.columns
    original = np.full(len(crops), -1, dtype=np.int64)
    by_footage = np.argsort(columns.target.codes, kind="stable")
    footage = columns.target.codes[by_footage]
    starts = np.flatnonzero(np.diff(footage, prepend=-1))
    for of_one in np.split(by_footage, starts[1:]):
        fake = columns.is_fake[of_one]
        if 0 < fake.sum() < len(fake):
            _pair_nearest(crops, of_one[~fake], of_one[fake], original)
    return original


def _pair_nearest(crops: Crops, reals: Positions, fakes: Positions, original: Positions) -> None:
    """Write into `original` the real crop of each fake of one piece of footage."""
    frames, versions = crops.columns.frame, crops.columns.compression.codes
    served = dict.fromkeys(reals.tolist(), 0)
    alike = {version: reals[versions[reals] == version] for version in np.unique(versions[reals])}
    for fake in fakes:
        candidates = alike.get(versions[fake], reals)
        distance = np.abs(frames[candidates] - frames[fake])
        nearest = candidates[distance == distance.min()].tolist()
        chosen = min(nearest, key=served.__getitem__)
        served[chosen] += 1
        original[fake] = chosen


def drawn_crops(crops: Crops, recipe: Recipe) -> NDArray[np.bool_]:
    """Return `(N,)` which crops an epoch goes through; see `self_blended_ratio` of the recipe."""
    if not recipe.augmentation.self_blended_ratio:
        return np.ones(len(crops), dtype=np.bool_)
    origin = crops.columns.origin
    return np.isin(origin, np.unique(origin[crops.is_fake]))


def even_shares(crops: Crops, reals: Positions) -> NDArray[np.float64]:
    """Return how often each real crop is drawn to make a forgery.

    Files of faces with landmarks are drawn equally often, so that few films weigh as much as many
    pictures; where some crops have none, all crops are.

    Args:
        crops: all of them.
        reals: positions of the real ones.
    """
    if not all(crops.keys[index].landmarks for index in reals):
        return np.full(len(reals), 1 / max(1, len(reals)))
    origins = crops.columns.origin[reals]
    counts = np.bincount(origins)
    return 1 / (counts[origins] * np.count_nonzero(counts))


def blended_pairs(recipe: Recipe) -> int:
    """Return how many pairs of a real crop and its self-blended fake a batch holds."""
    if recipe.augmentation.blends_only:
        return recipe.batch_size // 2
    pairs = round(recipe.batch_size * recipe.augmentation.self_blended_ratio / 2)
    return min(pairs, (recipe.batch_size - 1) // 2)


def forgery_maker(crops: Crops, recipe: Recipe) -> ForgeryMaker:
    """Return what makes a recipe's forgeries from crops."""
    return ForgeryMaker(
        crops,
        shares=recipe.augmentation.forgeries.shares,
        margin_ratio=recipe.network.margin_ratio or DEFAULT_MARGIN_RATIO,
    )


class TrainingBatches:
    """Map-style data set whose item is a whole batch, counted over the whole run.

    Args:
        crops: to learn from.
        order: of the crops in an epoch.
        recipe: batch size, augmentation, input size and seed.
        devices: devices that share a step; each takes its slice of the order.

    Raises:
        RecipeError: there are too few crops for one step.
    """

    def __init__(self, crops: Crops, order: Order, recipe: Recipe, *, devices: int = 1) -> None:
        self._crops, self._order, self._recipe = crops, order, recipe
        self._reals = np.flatnonzero(~crops.is_fake)
        self._real_shares = even_shares(crops, self._reals)
        self._maker = forgery_maker(crops, recipe)
        self._degrade: Degrade = partial(
            degrade,
            compression_ratio=recipe.augmentation.compression_ratio,
            worn_ratio=recipe.augmentation.worn_ratio,
            erased_ratio=recipe.augmentation.erased_ratio,
        )
        self._blends = blended_pairs(recipe)
        self._devices = devices
        self._pass: tuple[int, Positions] = (-1, np.empty(0, dtype=np.int64))
        if recipe.augmentation.blends_only:
            self._drawn, crops_of_pass = 0, len(self._reals)
        else:
            self._drawn = recipe.batch_size - 2 * self._blends
            self._classes = find_classes(crops, drawn=drawn_crops(crops, recipe))
            crops_of_pass = len(self._order_of(0))
        per_step = (self._drawn or self._blends) * devices * recipe.accumulate
        self._per_pass = crops_of_pass // per_step * recipe.accumulate
        if not self._per_pass:
            raise RecipeError(
                f"an epoch has {crops_of_pass} crops, a step needs {per_step}",
                hint="lower batch_size or accumulate, or give more crops",
            )
        self.per_epoch = recipe.epoch_batches or self._per_pass
        """Batches of an epoch on each device; crops that do not fill a step wait for the next."""

    def __len__(self) -> int:
        """Return the number of batches of the whole run, all devices together."""
        return self.per_epoch * self._recipe.epochs * self._devices

    def __getitem__(self, number: int) -> Batch:
        """Return pixels `(B, S, S, 3)` and labels `(B,)`, 1 for fake; masks for a seam head.

        Args:
            number: batches done by all devices together; device r of d takes number % d == r.
        """
        rng = np.random.default_rng((self._recipe.seed, _STEPS, number))
        chosen = self._chosen(number)
        size = self.size_at(number)
        images: list[Image.Image | Pixels] = []
        if self._recipe.augmentation.matched:
            pictures = [self._crops.picture(int(index)) for index in chosen]
            for fake, real in zip(pictures[::2], pictures[1::2], strict=True):
                images += self._matched(fake, real, rng, size)
        else:
            images += [self._pixels(int(index), rng, size) for index in chosen]
        labels = [float(self._crops.is_fake[index]) for index in chosen]
        masks: list[Mask] = [_UNKNOWN if label else 0.0 for label in labels]
        for real in self._drawn_reals(rng):
            pair, mask = self._made(int(real), rng, size)
            images += pair
            labels += [0.0, 1.0]
            masks += [0.0, mask]
        pixels = np.stack([np.asarray(image) for image in images])
        if not self._recipe.network.seam_weight:
            return pixels, np.array(labels, np.float32)
        grids = np.stack([coarse_mask(mask, size) for mask in masks])
        return pixels, np.array(labels, np.float32), grids

    def size_at(self, number: int) -> int:
        """Return the side of the crops of a batch, px."""
        part = self._recipe.network
        if part.early_size_px is not None and number < part.early_ratio * len(self):
            return part.early_size_px
        return part.size_px

    def _pixels(self, index: int, rng: np.random.Generator, size_px: int) -> Pixels:
        """Return a crop, or a clip whose frames all went through the same."""
        return self._crops.pixels(
            index,
            lambda frames: _alike(frames, rng, lambda image: self._augmented(image, rng, size_px)),
        )

    def _augmented(self, image: Image.Image, rng: np.random.Generator, size_px: int) -> Image.Image:
        if self._recipe.augmentation.name == "none":
            return resize_crop(image, size_px)
        return self._degrade(self._framed(image, rng, size_px), rng)

    def _matched(
        self, fake: Image.Image, real: Image.Image, rng: np.random.Generator, size_px: int
    ) -> list[Image.Image]:
        """Return a fake, or a part of it, and its original, both augmented in the same way."""
        ratio = self._recipe.augmentation.partial_ratio
        if ratio and rng.random() < ratio and same_frame(fake, real):
            fake = part_of_fake(fake, real, rng)
        return _alike((fake, real), rng, lambda image: self._augmented(image, rng, size_px))

    def _framed(self, image: Image.Image, rng: np.random.Generator, size_px: int) -> Image.Image:
        window = random_window(image, rng, size_px)
        ratio = self._recipe.augmentation.smoothed_ratio
        return smooth_skin(window, rng) if ratio and rng.random() < ratio else window

    def _chosen(self, number: int) -> Positions:
        """Return the positions of a batch's crops that are no blends."""
        if not self._drawn:
            return np.empty(0, dtype=np.int64)
        passed, inside = divmod(number, self._per_pass * self._devices)
        return self._order_of(passed)[inside * self._drawn : (inside + 1) * self._drawn]

    def _order_of(self, number: int) -> Positions:
        """Return the positions of a pass over the crops; the last one asked for is kept."""
        if self._pass[0] != number:
            rng = np.random.default_rng((self._recipe.seed, _PASSES, number))
            self._pass = (number, self._order(self._classes, rng))
        return self._pass[1]

    def _drawn_reals(self, rng: np.random.Generator) -> Positions:
        """Draw the real crops that forgeries are made from, as many of each file or store."""
        return rng.choice(self._reals, self._blends, p=self._real_shares)

    def _made(
        self, index: int, rng: np.random.Generator, size: int
    ) -> tuple[list[Image.Image], Mask]:
        """Return a real crop and the fake made from it, augmented alike, and its mask."""
        key = self._crops.keys[index]
        if key.landmarks is None or key.face_box is None:
            return self._blend(self._crops.picture(index), rng, size), _UNKNOWN
        pair = self._maker.forged(index, rng, size)
        images = _alike(
            (pair.real, pair.fake), rng, lambda image: self._degrade(resize_crop(image, size), rng)
        )
        return images, pair.mask

    def _blend(self, face: Image.Image, rng: np.random.Generator, size: int) -> list[Image.Image]:
        """Return a real crop and its self-blended fake, both augmented in the same way."""
        if self._recipe.augmentation.name == "none":
            return list(self_blend(resize_crop(face, size), rng))
        pair = self_blend(self._framed(face, rng, round(BLEND_SCALE * size)), rng)
        return _alike(pair, rng, lambda image: self._degrade(resize_crop(image, size), rng))


def _alike(
    pictures: Sequence[Image.Image],
    rng: np.random.Generator,
    change: Callable[[Image.Image], Image.Image],
) -> list[Image.Image]:
    """Return pictures after `change`, which draws the same for each."""
    state = rng.bit_generator.state
    images = []
    for image in pictures:
        rng.bit_generator.state = state
        images.append(change(image))
    return images


class ValidationBatches:
    """Map-style data set of validation crops as they are, in slices.

    Args:
        crops: to choose by.
        size_px: side of the network's input.
        batch_size: crops in a slice.
    """

    def __init__(self, crops: Crops, *, size_px: int, batch_size: int) -> None:
        self._crops, self._size_px, self._batch_size = crops, size_px, batch_size

    def __len__(self) -> int:
        """Return the number of slices."""
        return math.ceil(len(self._crops) / self._batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray[np.int64], Pixels]:
        """Return positions `(B,)` and pixels `(B, S, S, 3)`."""
        first = number * self._batch_size
        positions = np.arange(first, min(first + self._batch_size, len(self._crops)))
        return positions, np.stack(
            [network_pixels(self._crops, int(index), self._size_px) for index in positions]
        )
