"""Orders of crops: what each promises, for any two classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.core.errors import RecipeError
from unmask.training.sampling import Classes, alternate, oversample, pair, shuffle, undersample

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32)


def classes(real: int, fake: int) -> Classes:
    """Return `real` reals before `fake` fakes, each fake made from one of the reals."""
    original = np.full(real + fake, -1)
    original[real:] = np.arange(fake) % real
    return Classes(np.arange(real), np.arange(real, real + fake), original)


@given(sizes, sizes, seeds)
def test_shuffled_takes_each_crop_once(real: int, fake: int, seed: int) -> None:
    order = shuffle(classes(real, fake), np.random.default_rng(seed))
    assert sorted(order) == list(range(real + fake))


@pytest.mark.parametrize("order_of", [oversample, alternate])
@given(sizes, sizes, seeds)
def test_repeating_orders_take_both_classes_alike(
    order_of: Callable[..., NDArray[np.int64]], real: int, fake: int, seed: int
) -> None:
    order = order_of(classes(real, fake), np.random.default_rng(seed))
    largest = max(real, fake)
    assert (order < real).sum() == (order >= real).sum() == largest
    for size, members in ((real, order[order < real]), (fake, order[order >= real])):
        times = Counter(members.tolist())
        assert len(times) == size
        assert set(times.values()) <= {largest // size, -(-largest // size)}


@given(sizes, sizes, seeds)
def test_undersampled_takes_the_smaller_class_whole(real: int, fake: int, seed: int) -> None:
    order = undersample(classes(real, fake), np.random.default_rng(seed))
    assert len(set(order.tolist())) == len(order) == 2 * min(real, fake)
    assert (order < real).sum() == min(real, fake)


def test_undersampled_draws_other_crops_next_time() -> None:
    drawn = [set(undersample(classes(3, 90), np.random.default_rng(n)).tolist()) for n in (1, 2)]
    assert drawn[0] != drawn[1]


@given(sizes, sizes, seeds)
def test_every_even_slice_of_alternating_is_half_fake(real: int, fake: int, seed: int) -> None:
    order = alternate(classes(real, fake), np.random.default_rng(seed))
    pairs = (order >= real).reshape(-1, 2)
    assert (pairs.sum(axis=1) == 1).all()


@given(sizes, sizes, seeds)
def test_paired_puts_each_original_behind_its_fake(real: int, fake: int, seed: int) -> None:
    result = classes(real, fake)
    fakes, originals = pair(result, np.random.default_rng(seed)).reshape(-1, 2).T
    assert sorted(fakes) == result.fake.tolist()
    assert (result.original[fakes] == originals).all()


def test_paired_leaves_fakes_without_an_original_out() -> None:
    result = Classes(np.array([0]), np.array([1, 2]), np.array([-1, -1, 0]))
    assert pair(result, np.random.default_rng(0)).tolist() == [2, 0]


def test_paired_needs_some_original() -> None:
    result = Classes(np.array([0]), np.array([1]), np.array([-1, -1]))
    with pytest.raises(RecipeError, match="needs the original of each fake"):
        pair(result, np.random.default_rng(0))


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(RecipeError, match="no fake crop to train on"):
        Classes(np.array([0]), np.array([], dtype=int), np.array([-1]))
