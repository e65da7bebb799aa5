"""From scored crops to a bundle: calibration, thresholds and figures."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.models.calibration import (
    Scored,
    calibration,
    cluster_draws,
    metric,
    operating_points,
    platt,
)


def scored(count: int = 400, *, seed: int = 0) -> Scored:
    """Draw logits of two overlapping classes, four crops to a source video."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.7).astype(np.int64)
    return Scored(rng.normal(labels * 2.0, 1.5), labels, np.arange(count) // 4)


def test_platt_scaling_is_balanced_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = scored()
    reference = linear_model.LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-8)
    reference.fit(data.logits[:, None], data.labels)
    expected = (reference.coef_[0, 0], reference.intercept_[0])
    assert platt(data) == pytest.approx(expected, rel=1e-3)


def test_the_calibrations_covariance_is_that_of_a_bootstrap_over_videos() -> None:
    """Duplicating every crop of a video tells nothing new, so the spread must not shrink."""
    data = scored()
    twice = Scored(*(np.repeat(v, 2) for v in (data.logits, data.labels, data.clusters)))
    one, two = (calibration(d, "toy", np.random.default_rng(0)) for d in (data, twice))
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-6)
    assert one.covariance[0][0] > 0


def test_draws_take_videos_whole() -> None:
    data = scored(40)
    for draw in cluster_draws(data, np.random.default_rng(0), 5):
        _, counts = np.unique(draw.clusters, return_counts=True)
        assert set(counts % 4) == {0}
        assert len(draw.logits) == 40


def test_operating_points_keep_their_promise() -> None:
    data = scored()
    balanced, few = operating_points(data)
    real = data.labels == 0
    assert (balanced.name, few.name) == ("balanced", "few-false-alarms")
    for point in (balanced, few):
        called = data.logits >= point.logit
        assert point.false_positive_rate == called[real].mean()
        assert point.true_positive_rate == called[~real].mean()
    assert few.false_positive_rate <= 0.01 + 1 / real.sum()
    assert balanced.false_positive_rate == pytest.approx(1 - balanced.true_positive_rate, abs=0.02)


def test_the_auc_and_its_interval() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    data = scored()
    made = metric("AUC per crop", data, "toy", np.random.default_rng(0))
    assert made.value == pytest.approx(metrics.roc_auc_score(data.labels, data.logits), abs=1e-4)
    low, high = made.interval
    assert 0.02 < high - low < 0.15
    assert low < made.value < high
    assert "n = 400 crops, 95 % bootstrap over 100 source videos" in made.protocol
