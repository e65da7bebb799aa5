"""Looks: upright, small, alike for one face and unlike for two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask.core.face import Look
from unmask.faces.appearance import (
    FACE_PX,
    HEAD_PX,
    MOST_LOOKS,
    best_likeness,
    correlation,
    likeness,
    look_at,
    remember,
    worst_half,
)

POINTS = np.array([[0.31, 0.36], [0.69, 0.36], [0.50, 0.58], [0.34, 0.79], [0.66, 0.79]])
SIDE = 200


def invented(seed: int) -> np.ndarray:
    """Draw a smooth picture of its own, as no face is."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def look(seed: int) -> Look:
    return look_at(invented(seed), (50, 50, 150, 150), 50 + 100 * POINTS)


def test_a_look_is_small() -> None:
    one = look(1)
    assert one.face.shape == (FACE_PX, FACE_PX)
    assert one.head.shape == (HEAD_PX, HEAD_PX, 3)


def test_a_turned_face_is_brought_upright() -> None:
    picture = invented(1)
    turned = np.ascontiguousarray(np.rot90(picture))  # counter-clockwise
    points = 50 + 100 * POINTS
    moved = np.stack([points[:, 1], SIDE - points[:, 0]], axis=1)
    upright = look_at(picture, (50, 50, 150, 150), points).face
    again = look_at(turned, (50, 50, 150, 150), moved).face
    assert correlation(upright, again) == pytest.approx(1, abs=0.005)


def test_a_face_is_like_itself_and_unlike_others() -> None:
    same, other = likeness(look(1), look(1)), likeness(look(1), look(2))
    assert same is not None
    assert other is not None
    assert (other < 0, same > 9) == (True, True)


def test_flat_pictures_say_nothing() -> None:
    flat = look_at(np.zeros((50, 50, 3), np.uint8), (5, 5, 45, 45), 5 + 40 * POINTS)
    assert likeness(flat, look(1)) is None
    assert best_likeness(look(1), [flat]) is None
    assert worst_half(look(1), [flat]) is None
    assert best_likeness(look(1), []) is None


def test_a_grey_look_is_compared_without_colour() -> None:
    grey = np.repeat(invented(1).mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    like = likeness(look(1), look_at(grey, (50, 50, 150, 150), 50 + 100 * POINTS))
    assert like is not None
    assert 3 < like < 9


def test_a_half_hidden_face_fits_with_one_half_only() -> None:
    picture = invented(1).copy()
    picture[:, 100:] = invented(2)[:, 100:]
    half = look_at(picture, (50, 50, 150, 150), 50 + 100 * POINTS)
    worst, whole = worst_half(half, [look(1)]), worst_half(look(1), [look(2), look(1)])
    assert worst is not None
    assert worst < 0.5
    assert whole == pytest.approx(1)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_few_looks_are_remembered_and_always_the_first(seeds: list[int]) -> None:
    looks: list[Look] = []
    for seed in seeds:
        looks = remember(looks, look(seed))
        assert len(looks) <= MOST_LOOKS
    np.testing.assert_array_equal(looks[0].face, look(seeds[0]).face)


def test_the_same_look_is_remembered_once() -> None:
    assert len(remember([look(1)], look(1))) == 1
    assert len(remember([look(1)], look(2))) == 2
