"""Masks of faces from landmarks."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from drawn_faces import drawn_face
from unmask.training.hulls import JAW, Hull, deform, hull_mask, outlines, soften

KINDS = get_args(Hull)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_a_mask_lies_between_0_and_1_and_is_never_empty(kind: Hull, seed: int) -> None:
    mask = hull_mask(drawn_face().points, 200, np.random.default_rng(seed), kind=kind)

    assert mask.shape == (200, 200)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask.sum() > 5


def test_the_hull_with_the_forehead_holds_that_of_the_face() -> None:
    points, rng = drawn_face().points, np.random.default_rng(0)
    (face,), (whole,) = outlines(points, "face", rng), outlines(points, "forehead", rng)

    assert (Delaunay(whole).find_simplex(face) >= 0).all()
    assert whole[:, 1].min() < face[:, 1].min() - 10  # y downwards: it reaches up further


def test_the_hull_of_the_face_is_the_jaw_and_ends_above_at_the_brows() -> None:
    points = drawn_face().points
    (face,) = outlines(points, "face", np.random.default_rng(0))

    assert face[:, 1].max() == points[JAW, 1].max()
    assert face[:, 1].min() == points[:68, 1].min()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_deformation_bends_and_keeps_most_of_a_mask(seed: int) -> None:
    mask = np.zeros((128, 128), dtype=np.float32)
    mask[30:100, 30:100] = 1
    bent = deform(mask, np.random.default_rng(seed))

    assert set(np.unique(bent)) <= {0.0, 1.0}
    assert (bent * mask).sum() > 0.6 * mask.sum()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_softened_mask_has_no_hard_edge(seed: int) -> None:
    mask = np.zeros((128, 128), dtype=np.float32)
    mask[30:100, 30:100] = 1
    soft = soften(mask, np.random.default_rng(seed))

    assert np.abs(np.diff(soft, axis=0)).max() < 0.95
    assert soft.max() > 0.9
