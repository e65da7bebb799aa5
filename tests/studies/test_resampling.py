"""Figures and intervals of conditions, against scikit-learn and closed forms."""

# ruff: noqa: E402 - imports wait for the check that packages are there

from __future__ import annotations

import numpy as np
import pytest

for package in ("pyarrow", "sklearn"):
    pytest.importorskip(package, reason=f"needs {package} (extra `evaluation`)")

from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from unmask.studies.resampling import (
    ACCURACY,
    AUC,
    BALANCED,
    MEAN,
    TWO_SEEDS,
    Estimates,
    Scored,
    Valued,
)


def scored(seed: int = 0, *, shift: float = 1.0, count: int = 80, clusters: int = 20) -> Scored:
    rng = np.random.default_rng(seed)
    is_fake = np.arange(count) % 2 == 1
    logit = rng.normal(size=count) + shift * (is_fake - 0.5)
    names = np.array([f"clip{n // 2 % clusters}" for n in range(count)], dtype=object)
    return Scored(str(seed), logit, is_fake, names)


def test_figures_are_those_of_scikit_learn_averaged_over_seeds() -> None:
    runs = [scored(0), scored(1)]
    estimates = Estimates({"a": runs}, (AUC, BALANCED), replicates=20)
    auc = np.mean([roc_auc_score(r.is_fake, r.logit) for r in runs])
    balanced = np.mean([balanced_accuracy_score(r.is_fake, r.logit >= 0) for r in runs])
    assert estimates.of("a", AUC).value == pytest.approx(auc)
    assert estimates.of("a", BALANCED).value == pytest.approx(balanced)
    assert (estimates.of("a", AUC).runs, estimates.of("a", AUC).clusters) == (2, 20)


def test_a_condition_does_not_differ_from_itself_in_any_draw() -> None:
    runs = [scored(0), scored(1)]
    estimates = Estimates({"a": runs, "b": list(runs)}, (AUC, ACCURACY), replicates=50)
    same = estimates.difference("a", "b", AUC)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(2.0, 1.0, 400)
    names = np.arange(400).astype(str).astype(object)
    result = Estimates({"m": [Valued("0", values, names)]}, (MEAN,), replicates=2000).of("m", MEAN)
    half = 1.96 * values.std() / 20
    assert result.value == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.02)
    assert result.high == pytest.approx(values.mean() + half, abs=0.02)


def test_seeds_that_differ_widen_the_interval() -> None:
    names = np.array([f"c{n}" for n in range(50)], dtype=object)
    alike = [Valued(str(s), np.full(50, 1.0), names) for s in range(4)]
    apart = [Valued(str(s), np.full(50, float(s)), names) for s in range(4)]
    estimates = Estimates({"alike": alike, "apart": apart}, (MEAN,), replicates=500)
    assert estimates.of("alike", MEAN).low == estimates.of("alike", MEAN).high == 1.0
    wide = estimates.of("apart", MEAN)
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low < 1.0
    assert wide.high > 2.0


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_over_seeds_is_students(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    names = np.array([f"c{n}" for n in range(20)], dtype=object)
    means = {name: rng.normal(size=seeds) for name in "ab"}
    runs = {
        name: [Valued(str(s), np.full(20, each), names) for s, each in enumerate(of)]
        for name, of in means.items()
    }
    result = Estimates(runs, (MEAN,), replicates=40_000).difference("a", "b", MEAN)
    apart = means["a"] - means["b"]
    quantile = stats.norm.ppf(0.975) if seeds == 2 else stats.t.ppf(0.975, seeds - 1)
    half = quantile * apart.std(ddof=1) / np.sqrt(seeds)
    assert result.value == pytest.approx(apart.mean())
    assert result.low == pytest.approx(apart.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(apart.mean() + half, abs=0.1 * half)


def test_two_seeds_hold_the_truth_as_often_as_said() -> None:
    z = stats.norm.ppf(0.975)
    assert pytest.approx(stats.t.cdf(z, 1) - stats.t.cdf(-z, 1), abs=0.005) == TWO_SEEDS


def test_an_interval_of_auc_stays_between_0_and_1() -> None:
    runs = [scored(n, shift=shift) for n, shift in enumerate((0.0, 0.0, 9.0))]
    result = Estimates({"a": runs}, (AUC,), replicates=200).of("a", AUC)
    assert (result.low, result.high) == (0, 1)


def test_too_few_clusters_give_no_interval() -> None:
    few = Estimates({"a": [scored(clusters=4)]}, (AUC,))
    assert (few.of("a", AUC).low, few.of("a", AUC).sign) == (None, "open")


def test_the_mean_of_differences_is_the_difference_of_means() -> None:
    conditions = {name: [scored(n, shift=n)] for n, name in enumerate("abcd")}
    estimates = Estimates(conditions, (AUC,), replicates=30)
    mean = estimates.mean_difference([("b", "a"), ("d", "c")], AUC).value
    each = [estimates.difference(*pair, AUC).value for pair in (("b", "a"), ("d", "c"))]
    assert mean == pytest.approx(np.mean([float(v or 0) for v in each]))


def test_units_without_one_class_are_left_out_of_the_mean() -> None:
    only_real = Scored(
        "1", np.zeros(4), np.zeros(4, dtype=bool), np.array(list("abcd"), dtype=object)
    )
    estimates = Estimates({"a": [scored(0), only_real]}, (AUC,), replicates=10)
    alone = Estimates({"a": [scored(0)]}, (AUC,), replicates=10)
    assert estimates.of("a", AUC).value == alone.of("a", AUC).value


def test_a_condition_of_few_clusters_has_no_interval_beside_one_of_many() -> None:
    runs = {"many": [scored(0)], "few": [scored(1, count=16, clusters=4)]}
    estimates = Estimates(runs, (AUC,), replicates=50)
    assert estimates.of("many", AUC).low is not None
    few, change = estimates.of("few", AUC), estimates.difference("many", "few", AUC)
    assert (few.low, few.high, change.low, change.high) == (None,) * 4
    assert (few.clusters, change.clusters) == (4, 20)
