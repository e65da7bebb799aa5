"""Agreement of maps, against scipy, scikit-image and counting."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from unmask.explain.agreement import (
    GRID,
    mean_agreement,
    on_grid,
    spearman,
    ssim,
    top_overlap,
    top_places,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    first = rng.random((GRID, GRID)).astype(np.float32)
    return first, (0.5 * first + 0.5 * rng.random((GRID, GRID))).astype(np.float32)


def test_rank_correlation_equals_scipys(pair):
    assert spearman(*pair) == pytest.approx(spearmanr(pair[0].ravel(), pair[1].ravel()).statistic)


def test_rank_correlation_with_ties_equals_scipys(pair):
    tied = np.round(pair[0], 1), np.round(pair[1], 1)
    assert spearman(*tied) == pytest.approx(spearmanr(tied[0].ravel(), tied[1].ravel()).statistic)


def test_similarity_equals_scikit_images(pair):
    assert ssim(*pair) == pytest.approx(structural_similarity(*pair, data_range=1.0), abs=1e-5)


def test_overlap_of_the_top_is_counted(pair):
    first = np.zeros((GRID, GRID), np.float32)
    second = first.copy()
    first[:, : GRID // 5] = 1 + pair[0][:, : GRID // 5]
    second[: GRID // 5] = 1 + pair[1][: GRID // 5]
    assert top_overlap(first, first) == 1
    assert top_overlap(first, second) < 0.25
    assert top_places(first, 0.2).sum() == round(0.2 * GRID**2)


def test_no_correlation_exists_with_a_map_that_is_the_same_everywhere(pair):
    assert spearman(pair[0], np.ones_like(pair[0])) is None


def test_agreement_leaves_out_empty_maps(pair):
    empty = np.zeros_like(pair[0])
    assert mean_agreement([*pair, empty]) == pytest.approx(spearman(*pair))
    assert mean_agreement([pair[0], empty]) is None


def test_maps_are_compared_on_a_small_grid():
    assert on_grid(np.ones((128, 128), np.float32)).shape == (GRID, GRID)
