"""Paired tests against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from unmask.evaluation.metrics import metrics
from unmask.evaluation.paired_tests import delong, differences, mcnemar, midranks
from unmask.evaluation.weightings import Sorted

FIGURES = [metric for metric in metrics() if metric.name in {"AUC", "accuracy"}]
Floats = NDArray[np.float64]


def two(
    seed: int, count: int = 90, better: float = 0.7
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    is_fake = np.arange(count) % 3 > 0
    shared = rng.normal(0, 1, count) + is_fake
    first = (shared + rng.normal(0, 0.5, count) + better * is_fake).round(1)
    return first, (shared + rng.normal(0, 0.5, count)).round(1), is_fake


def delong_by_definition(
    first: Floats, second: Floats, is_fake: NDArray[np.bool_]
) -> tuple[float, float]:
    """The difference and its standard error from all pairs, eq. 3-5 of the paper of 1988."""
    fakes, reals = [], []
    for scores in (first, second):
        x, y = scores[is_fake][:, None], scores[~is_fake][None, :]
        wins = (x > y) + 0.5 * (x == y)
        fakes.append(wins.mean(axis=1))
        reals.append(wins.mean(axis=0))
    s10, s01 = np.cov(fakes), np.cov(reals)
    s = s10 / is_fake.sum() + s01 / (~is_fake).sum()
    contrast = np.array([1, -1])
    return fakes[0].mean() - fakes[1].mean(), float(np.sqrt(contrast @ s @ contrast))


@pytest.mark.parametrize("seed", range(6))
def test_delong_is_that_of_its_definition(seed: int) -> None:
    first, second, is_fake = two(seed)
    result = delong(first, second, is_fake)
    difference, error = delong_by_definition(first, second, is_fake)
    assert result.difference == pytest.approx(difference)
    assert result.standard_error == pytest.approx(error)
    assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(difference) / error))
    assert result.interval.high == pytest.approx(difference + stats.norm.ppf(0.975) * error)


def test_equal_scores_do_not_differ() -> None:
    first, _, is_fake = two(0)
    result = delong(first, first * 2, is_fake)
    assert (result.difference, result.standard_error, result.p_value) == (0, 0, 1)


def test_under_the_null_delongs_p_values_are_even() -> None:
    p = [delong(*two(seed, better=0.0)).p_value for seed in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_delong_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="two fakes and two reals"):
        delong(np.zeros(3), np.zeros(3), np.array([True, True, False]))


def test_midranks_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).integers(0, 9, 50).astype(float)
    np.testing.assert_allclose(midranks(values), stats.rankdata(values))


@pytest.mark.parametrize(("one", "other"), [(0, 0), (5, 5), (10, 2), (0, 7), (40, 61)])
def test_mcnemar_is_the_binomial_test(one: int, other: int) -> None:
    first = np.array([True] * one + [False] * other + [True, False])
    second = np.array([False] * one + [True] * other + [True, False])
    result = mcnemar(first, second)
    assert (result.only_first_right, result.only_second_right) == (one, other)
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert result.p_value == pytest.approx(expected)


def sorted_pair(seed: int, better: float = 0.7, count: int = 300) -> tuple[Sorted, Sorted]:
    first, second, is_fake = two(seed, count, better)
    one, other = (Sorted.of(s, is_fake, log_odds=s, threshold=0.5) for s in (first, second))
    return one, other


def test_the_paired_bootstrap_agrees_with_delong_where_units_are_independent() -> None:
    first, second, is_fake = two(3, 600)
    one, other = (Sorted.of(s, is_fake, log_odds=s, threshold=0.5) for s in (first, second))
    (auc, _) = differences(one, other, np.arange(600), FIGURES)
    expected = delong(first, second, is_fake)
    assert auc.interval is not None
    assert auc.difference == pytest.approx(expected.difference)
    assert auc.interval.low == pytest.approx(expected.interval.low, abs=0.006)
    assert auc.interval.high == pytest.approx(expected.interval.high, abs=0.006)


def test_pairing_makes_the_interval_narrower_than_two_apart() -> None:
    one, other = sorted_pair(4)
    (auc, _) = differences(one, other, np.arange(300), FIGURES, replicates=400)
    assert auc.interval is not None
    from unmask.evaluation.bootstrap import intervals

    apart = [intervals(u, np.arange(300), FIGURES[:1], replicates=400)["AUC"] for u in (one, other)]
    one_width, other_width = (each.high - each.low for each in apart if each is not None)
    assert auc.interval.high - auc.interval.low < 0.8 * np.hypot(one_width, other_width)


def test_a_detector_does_not_differ_from_itself() -> None:
    one, _ = sorted_pair(5)
    for result in differences(one, one, np.arange(300), FIGURES, replicates=100):
        assert result.interval is not None
        assert (result.interval.low, result.interval.high, result.p_value) == (0, 0, 1)


def test_few_clusters_give_a_difference_without_an_interval() -> None:
    one, other = sorted_pair(6)
    (auc, _) = differences(one, other, np.arange(300) % 3, FIGURES)
    assert auc.interval is None
    assert auc.p_value is None
    assert auc.difference > 0
