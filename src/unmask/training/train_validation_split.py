"""Which crops train and which validate, and what a reader must know of that choice.

Validation crops are those that were given, or those that the crop store marks so, or a share of the
training crops carved by footage: a fake never stands on another side than the video it was made
from. Crops that a store marks as test are never read, nor those of a fold that is held out. Needs
no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unmask.core.errors import RecipeError
from unmask.datasets.groups import Grouping, connect, place_groups
from unmask.datasets.split_checks import check_fold
from unmask.training.crop_table import NO_FOLD, Crops, as_clips, read_crops
from unmask.training.recipe import Recipe
from unmask.training.runs import Run, RunData

_From = Literal["given", "store", "carved"]
_OPTION = {"training": "--data", "validation": "--validation"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sides:
    """Crops to learn from and crops to choose by."""

    training: Crops
    """Crops to learn from."""
    validation: Crops
    """Crops to choose by; both classes."""
    data: RunData
    """Both, described."""

    def margin_ratio(self, fallback: float | None) -> float | None:
        """Return the side of the crops over the face box; None where nothing tells.

        Args:
            fallback: what the recipe says; it cuts nothing anew, so a warning names each store that
                was cut otherwise. None takes what the stores tell.

        Raises:
            RecipeError: the stores do not agree, and the recipe says nothing.
        """
        ratios = {
            origin.described.path: origin.crops.margin_ratio
            for origin in (*self.training.origins, *self.validation.origins)
            if origin.crops.margin_ratio is not None
        }
        if fallback is None and len(set(ratios.values())) > 1:
            each = ", ".join(f"{path} with {margin:g}" for path, margin in ratios.items())
            raise RecipeError(
                f"the crops were cut with different margins: {each}",
                hint="cut them anew with one --margin-ratio, or say which one the detector shall "
                "use with --set network.margin_ratio=RATIO",
            )
        if fallback is None:
            return next(iter(ratios.values()), None)
        for path, margin in ratios.items():
            if margin != fallback:
                _log.warning("%s was cut with --margin-ratio %g, the detector will use %g "
                             "(network.margin_ratio)", path, margin, fallback)  # fmt: skip
        return fallback


def sides_for(
    recipe: Recipe,
    training: Sequence[str | Path],
    validation: Sequence[str | Path],
    *,
    fold: int | None,
) -> Sides:
    """Read the crops of a run by its recipe, see `read_sides`; as clips where it says so."""
    sides = read_sides(
        training,
        validation,
        ratio=recipe.validation_ratio,
        seed=recipe.seed,
        blends_only=recipe.augmentation.blends_only,
        uncertain_fakes=recipe.uncertain_fakes,
        fold=fold,
    )
    clip = recipe.network.clip
    return replace(
        sides,
        training=as_clips(sides.training, clip),
        validation=as_clips(sides.validation, clip),
    )


def reread_sides(run: Run, recipe: Recipe) -> Sides:
    """Read the crops of a run that is there as it read them, see `read_sides`.

    Raises:
        RecipeError: they have changed.
    """
    data, record = run.data, run.record
    sides = sides_for(
        recipe.model_copy(update={"uncertain_fakes": data.left_out is None}),
        record.training_paths,
        record.validation_paths,
        fold=data.held_out_fold,
    )
    if sides.data != data:
        raise RecipeError(
            f"the crops of {str(run.folder)!r} are not those that it began with",
            hint="put the old files back, or begin a new run",
        )
    return sides


def read_sides(
    training: Sequence[str | Path],
    validation: Sequence[str | Path] = (),
    *,
    ratio: float,
    seed: int,
    blends_only: bool = False,
    uncertain_fakes: bool = False,
    fold: int | None = None,
) -> Sides:
    """Read crops and put them on two sides.

    Args:
        training: crop stores or Parquet files; of a store with splits its training part is used.
        validation: the same; of a store with splits its validation part is used.
        ratio: share to carve for validation where none is given or marked.
        seed: of the carving.
        blends_only: training takes real crops alone and makes its fakes of them.
        uncertain_fakes: keep fakes whose face may not be the forged one, see `read_crops`.
        fold: this fold of the training crops is held out: on neither side.

    Raises:
        RecipeError: a side or a class on it is empty.
        ManifestError: there is no such fold.
        ValueError: a fold and validation crops are given.
    """
    if fold is not None and validation:
        raise ValueError("--fold takes validation crops from the other folds: give no --validation")
    crops = read_crops(training, uncertain_fakes=uncertain_fakes)
    value = read_crops(validation, uncertain_fakes=uncertain_fakes)
    changes: dict[str, object] = {}
    if not uncertain_fakes:
        changes["left_out"] = sum(
            each.crops.total_left_out for each in (*crops.origins, *value.origins)
        )
    if fold is not None:
        crops, held_out = _part(crops, fold)
    sides = _choose(crops, value, ratio, seed, blends_only)
    if fold is not None:
        shared = _describe_shared(crops, held_out, f"fold {fold}", "other folds")
        changes |= {"held_out_fold": fold, "leaks": (*sides.data.leaks, *shared)}
    return replace(sides, data=sides.data.model_copy(update=changes))


def _part(crops: Crops, fold: int) -> tuple[Crops, Crops]:
    """Return the crops of the other folds, and those of the fold; each origin must have it."""
    for number, origin in enumerate(crops.origins):
        folds = np.unique(crops.columns.fold[crops.columns.origin == number]).tolist()
        known = (None if each == NO_FOLD else each for each in folds)
        check_fold(fold, known, name=origin.described.path)
    inside = crops.columns.fold == fold
    return crops.take(~inside), crops.take(inside)


def _choose(
    crops: Crops,
    validation: Crops,
    ratio: float,
    seed: int,
    blends_only: bool,
) -> Sides:
    """Put crops on two sides, see `read_sides`."""
    if validation.origins:
        return _sides(
            _select_split(crops, "train"),
            _select_split(validation, "validation"),
            "given",
            blends_only,
        )
    held_out = crops.take(crops.columns.split.equal("validation"))
    if len(held_out):
        return _sides(_select_split(crops, "train"), held_out, "store", blends_only)
    chosen = _hold_out(_select_split(crops, "train"), ratio, seed)
    return _sides(*chosen, "carved", blends_only)


def _select_split(crops: Crops, split: str) -> Crops:
    """Return the crops of a split, and those of origins that mark none."""
    columns = crops.columns
    marking = np.unique(columns.origin[columns.split.codes >= 0])
    selected = crops.take(~np.isin(columns.origin, marking) | columns.split.equal(split))
    if not len(selected):
        paths = ", ".join(origin.described.path for origin in crops.origins)
        raise RecipeError(
            f"no crop of {paths} is marked as {split}",
            hint="split with `unmask data split` and cut again, or give other crops",
        )
    return selected


def _hold_out(crops: Crops, ratio: float, seed: int) -> tuple[Crops, Crops]:
    """Hold out a share of the crops, whole groups of linked footage, balanced over the classes."""
    strata = crops.is_fake.astype(np.int64)
    placed = place_groups(_group_footage(crops), strata, crops.targets, (1 - ratio, ratio), seed)
    held_out = placed == 1
    return crops.take(~held_out), crops.take(held_out)


def _group_footage(crops: Crops) -> Grouping:
    """Group crops by shared footage; millions of crops have few different pairs of it."""
    target, source = crops.columns.target.codes, crops.columns.source.codes
    pairs = target.astype(np.int64) * (len(crops.columns.target.values) + 1) + source + 1
    _, firsts, of_crop = np.unique(pairs, return_index=True, return_inverse=True)
    by_appearance = np.argsort(firsts)
    keys = [crops.keys[first].footage for first in firsts[by_appearance]]
    place = np.empty(len(firsts), np.int64)
    place[by_appearance] = np.arange(len(firsts))
    of_row = connect(keys).of_row[place[of_crop]]
    return Grouping(of_row, np.bincount(of_row))


def _sides(training: Crops, validation: Crops, validation_from: _From, blends_only: bool) -> Sides:
    if blends_only and training.is_fake.all():
        raise RecipeError(
            f"blends are made of real crops, got {training!r}", hint="give real crops with --data"
        )
    both = (("training", training), ("validation", validation))
    for name, crops in both[blends_only:]:
        if not 0 < crops.is_fake.sum() < len(crops):
            raise RecipeError(
                f"{name} needs crops of both classes, got {crops!r}",
                hint=f"give real and fake crops with {_OPTION[name]}",
            )
    data = RunData(
        training=training.summary(),
        validation=validation.summary(),
        validation_from=validation_from,
        leaks=tuple(_leaks(training, validation)),
    )
    return Sides(training, validation, data)


def _leaks(training: Crops, validation: Crops) -> list[str]:
    """Say why validation figures are too good: leaky protocols, and footage on both sides."""
    origins = (*training.origins, *validation.origins)
    reasons = [origin.crops.leak for origin in origins if origin.crops.leak]
    reasons += _describe_shared(training, validation, "validation", "training")
    return list(dict.fromkeys(reasons))


def _describe_shared(training: Crops, held_out: Crops, name: str, elsewhere: str) -> list[str]:
    """Say how much footage of crops that are held out is learned from all the same."""
    seen = held_out.footage()
    shared = training.footage() & seen
    text = f"{len(shared)} of {len(seen)} pieces of footage in {name} are in {elsewhere} too"
    return [text] if shared else []
