"""In which order an epoch goes through the crops: at random, re-balanced, or in pairs.

Each function takes the two classes and a generator and returns positions; batches are consecutive
slices of them, of even length where pairs must stay together. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import RecipeError

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Classes:
    """Where the crops of each class are."""

    real: Positions
    """Positions of the real crops."""
    fake: Positions
    """Positions of the fake crops."""
    original: Positions
    """`(N,)` of each fake the position of a real crop of the same footage, -1 where there is none;
    -1 for reals."""

    def __post_init__(self) -> None:
        """Refuse a class without crops: nothing can be learned from the other alone."""
        for name in ("real", "fake"):
            if not len(getattr(self, name)):
                raise RecipeError(
                    f"there is no {name} crop to train on", hint="give crops of both classes"
                )

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Classes({len(self.real)} real, {len(self.fake)} fake)"


Order = Callable[[Classes, np.random.Generator], Positions]


def shuffle(classes: Classes, rng: np.random.Generator) -> Positions:
    """Return every crop once, at random."""
    return rng.permutation(np.concatenate([classes.real, classes.fake]))


def oversample(classes: Classes, rng: np.random.Generator) -> Positions:
    """Return the larger class once and the smaller as often, its crops repeated evenly."""
    size = max(len(classes.real), len(classes.fake))
    return rng.permutation(
        np.concatenate([_repeat(each, size, rng) for each in (classes.real, classes.fake)])
    )


def undersample(classes: Classes, rng: np.random.Generator) -> Positions:
    """Return the smaller class once and as many crops of the larger, drawn anew each time."""
    size = min(len(classes.real), len(classes.fake))
    parts = [rng.permutation(each)[:size] for each in (classes.real, classes.fake)]
    return rng.permutation(np.concatenate(parts))


def alternate(classes: Classes, rng: np.random.Generator) -> Positions:
    """Return real and fake in turn, so that every batch of even size is half real, half fake."""
    size = max(len(classes.real), len(classes.fake))
    parts = [_repeat(each, size, rng) for each in (classes.real, classes.fake)]
    return np.stack(parts, axis=1).ravel()


def pair(classes: Classes, rng: np.random.Generator) -> Positions:
    """Return every fake that has its original, and that after it.

    Raises:
        RecipeError: no fake has its original among the crops.
    """
    fakes = classes.fake[classes.original[classes.fake] >= 0]
    if not len(fakes):
        raise RecipeError(
            "strategy 'paired' needs the original of each fake among the crops, and none is there",
            hint="take another with --set imbalance.strategy=balanced-batches",
        )
    fakes = rng.permutation(fakes)
    return np.stack([fakes, classes.original[fakes]], axis=1).ravel()


def _repeat(positions: Positions, size: int, rng: np.random.Generator) -> Positions:
    """Return `size` positions at random in which each is as frequent as any other, give or take 1.

    Whole passes follow each other, so that a crop comes back only when all have been seen.
    """
    passes = -(-size // len(positions))
    return np.concatenate([rng.permutation(positions) for _ in range(passes)])[:size]
