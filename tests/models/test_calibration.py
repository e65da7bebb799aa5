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


def reference(data: Scored) -> tuple[float, float]:
    """Fit by scikit-learn: each crop is a fake and a real one, weighted by Platt's targets."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    fake = data.labels == 1
    target = np.where(fake, (fake.sum() + 1) / (fake.sum() + 2), 1 / ((~fake).sum() + 2))
    weights = np.where(fake, 1 / fake.sum(), 1 / (~fake).sum())
    mean, spread = data.logits.mean(), data.logits.std()
    twice = np.tile((data.logits - mean) / spread, 2)[:, None]
    made = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    made.fit(
        twice,
        np.repeat([1, 0], len(fake)),
        sample_weight=np.concatenate([weights * target, weights * (1 - target)]),
    )
    slope = made.coef_[0, 0] / spread
    return slope, made.intercept_[0] - slope * mean


def test_platt_scaling_is_balanced_logistic_regression() -> None:
    assert platt(scored()) == pytest.approx(reference(scored()), rel=1e-3)


@pytest.mark.parametrize(
    ("offset", "scale"), [(3.0, 1.0), (-8.0, 1.0), (0.0, 5.0), (40.0, 20.0), (0.0, 0.01)]
)
def test_neither_offset_nor_scale_of_the_logits_stops_the_fit(offset: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    plain = rng.normal(2.0 * labels - 1, 1.0)
    data = Scored(offset + scale * plain, labels, np.arange(2000) // 4)
    assert platt(data) == pytest.approx(reference(data), rel=1e-3)
    with np.errstate(divide="raise", invalid="raise"):
        assert calibration(data, "toy", rng).covariance[0][0] > 0


def test_classes_that_a_threshold_separates_have_a_fit_too() -> None:
    labels = np.arange(40) % 2
    data = Scored(labels * 2.0 + np.arange(40) / 100, labels, np.arange(40))
    assert platt(data) == pytest.approx(reference(data), rel=1e-2)
    with np.errstate(divide="raise", invalid="raise"):
        fitted = calibration(data, "toy", np.random.default_rng(0))
    assert np.isfinite(fitted.covariance).all()


def test_one_class_alone_has_no_fit() -> None:
    with pytest.raises(ValueError, match="of one class"):
        platt(Scored(np.arange(4.0), np.ones(4, np.int64), np.arange(4)))


def test_the_calibrations_covariance_is_that_of_a_bootstrap_over_videos() -> None:
    """Duplicating every crop of a video tells nothing new, so the spread must not shrink.

    It may grow a little: Platt's targets go by the number of crops.
    """
    data = scored()
    twice = Scored(*(np.repeat(v, 2) for v in (data.logits, data.labels, data.clusters)))
    one, two = (calibration(d, "toy", np.random.default_rng(0)) for d in (data, twice))
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=0.1)
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
    assert few.false_positive_rate <= 0.01
    assert balanced.false_positive_rate == pytest.approx(1 - balanced.true_positive_rate, abs=0.02)


@pytest.mark.parametrize("reals", [100, 101, 150, 1001])
def test_few_false_alarms_is_the_lowest_logit_that_keeps_to_one_percent(reals: int) -> None:
    rng = np.random.default_rng(reals)
    labels = np.repeat([0, 1], reals)
    data = Scored(rng.normal(labels * 1.0, 1.0), labels, np.arange(2 * reals))
    few = operating_points(data)[1]
    allowed = [t for t in data.logits if (data.logits[:reals] >= t).mean() <= 0.01]
    assert few.logit == min(allowed)


def test_few_false_alarms_never_lies_below_balanced() -> None:
    labels = np.repeat([0, 1], 300)
    logits = np.random.default_rng(0).normal(labels * 6.0 - 3, 1.0)
    balanced, few = operating_points(Scored(logits, labels, np.arange(600)))
    assert balanced.false_positive_rate < 0.01
    assert few.logit == balanced.logit


def test_the_auc_and_its_interval() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    data = scored()
    made = metric("AUC per crop", data, "toy", np.random.default_rng(0))
    assert made.value == pytest.approx(metrics.roc_auc_score(data.labels, data.logits), abs=1e-4)
    low, high = made.interval
    assert 0.02 < high - low < 0.15
    assert low < made.value < high
    assert "n = 400 crops, 95 % bootstrap over 100 source videos" in made.protocol
