"""Intervals: they cover, they repeat, they draw clusters."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.evaluation.bootstrap import Interval, draws, intervals, percentile_interval
from unmask.evaluation.metrics import metrics
from unmask.evaluation.weightings import Sorted

FIGURES = {metric.name: metric for metric in metrics()}


def sample(seed: int, clusters: int = 120, units: int = 5) -> tuple[Sorted, np.ndarray]:
    """Clusters of one label with a centre of their own; the AUC is Phi(1) = 0.8413."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), units)
    is_fake = cluster % 2 == 1
    logit = rng.normal(0, 0.8, clusters)[cluster] + rng.normal(0, 0.6, len(cluster))
    logit = logit + is_fake * np.sqrt(2)
    return Sorted.of(logit, is_fake, log_odds=logit, threshold=0.7), cluster


def covered(*, frames: bool, trials: int = 300) -> float:
    held = 0
    for seed in range(trials):
        units, cluster = sample(seed)
        by = np.arange(len(cluster)) if frames else cluster
        result = intervals(units, by, [FIGURES["AUC"]], replicates=300, seed=seed)["AUC"]
        assert result is not None
        held += result.low <= 0.841345 <= result.high
    return held / trials


def test_an_interval_over_clusters_holds_the_truth_as_often_as_it_says() -> None:
    assert 0.92 <= covered(frames=False) <= 0.98  # 300 trials; the benchmark takes more


def test_an_interval_over_frames_does_not() -> None:
    assert covered(frames=True, trials=100) < 0.85


def test_the_same_seed_gives_the_same_interval() -> None:
    units, cluster = sample(1)
    one, two, other = (
        intervals(units, cluster, [FIGURES["EER"]], replicates=50, seed=seed)["EER"]
        for seed in (5, 5, 6)
    )
    assert one == two != other


def test_a_draw_takes_whole_clusters_and_as_many_as_there_are() -> None:
    cluster = np.array([3, 3, 8, 9, 9, 9])
    for weights in draws(cluster, replicates=40, seed=0, rows=7):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 5]).all()
        assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_the_size_of_the_batches_changes_nothing() -> None:
    cluster = np.arange(9)
    one, two = (
        np.concatenate(list(draws(cluster, replicates=20, seed=3, rows=rows))) for rows in (3, 20)
    )
    np.testing.assert_array_equal(one, two)


def test_every_figures_interval_holds_its_point() -> None:
    units, cluster = sample(2, clusters=400)
    result = intervals(units, cluster, metrics(), replicates=200)
    plain = units.plain()
    for metric in metrics():
        interval = result[metric.name]
        assert interval is not None, metric.name
        if metric.name != "calibration error (ECE)":  # it is biased upwards in replicates
            assert interval.low <= metric.compute(plain)[0] <= interval.high, metric.name


def test_accuracy_has_the_interval_of_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(2000) < 0.8
    is_fake = np.arange(2000) % 2 == 1
    logit = np.where(is_fake == right, 1.0, -1.0)
    units = Sorted.of(logit, is_fake, log_odds=logit, threshold=0.0)
    result = intervals(units, np.arange(2000), [FIGURES["accuracy"]])["accuracy"]
    assert result is not None
    error = np.sqrt(right.mean() * (1 - right.mean()) / 2000)
    assert result.low == pytest.approx(right.mean() - 1.96 * error, abs=0.002)
    assert result.high == pytest.approx(right.mean() + 1.96 * error, abs=0.002)


def test_few_clusters_have_no_interval() -> None:
    units, cluster = sample(0, clusters=4, units=10)
    assert intervals(units, cluster, [FIGURES["AUC"]]) == {"AUC": None}


def test_large_data_have_an_interval_of_minimum_cllr_too() -> None:
    units, cluster = sample(0, clusters=600, units=50)
    result = intervals(units, cluster, [FIGURES["minimum Cllr"]], replicates=700)["minimum Cllr"]
    assert result is not None
    assert result.low < float(FIGURES["minimum Cllr"].compute(units.plain())[0]) < result.high


def test_replicates_without_a_number_do_not_make_an_interval() -> None:
    assert percentile_interval(np.array([np.nan, np.nan, 1.0])) is None
    assert percentile_interval(np.array([np.nan, 1.0, 1.0, 1.0])) == Interval(1.0, 1.0)
