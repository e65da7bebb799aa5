"""From a network to a bundle: the ONNX file, calibration, thresholds and figures."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toy_material import drawn_face

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.models.export import (
    Scored,
    calibration,
    check_parity,
    cluster_draws,
    export_onnx,
    metric,
    operating_points,
    platt,
)
from unmask.models.imagenet import normalise
from unmask.models.squeezenet import SqueezeNet
from unmask.runtime import OUTPUTS

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 64


def network(seed: int) -> SqueezeNet:
    torch.manual_seed(seed)
    return SqueezeNet().eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"export needs {package} (extra `train`)")
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export_onnx(network(0), path, size_px=SIDE)
    return path


def pictures(count: int) -> np.ndarray:
    return normalise([drawn_face(n, (SIDE, SIDE)) for n in range(count)])


def scored(count: int = 400, *, seed: int = 0) -> Scored:
    """Draw logits of two overlapping classes, four crops to a source video."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.7).astype(np.int64)
    return Scored(rng.normal(labels * 2.0, 1.5), labels, np.arange(count) // 4)


@pytest.mark.parametrize("count", [1, 5])
def test_the_exported_network_is_torchs(exported: Path, count: int) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    logit, features, gradient = session.run(OUTPUTS, {"image": pictures(count)})
    model, kept = network(0), []
    model.fires[-1].register_forward_hook(lambda _, __, out: kept.append(out))
    expected = model(torch.from_numpy(pictures(count)))
    (slope,) = torch.autograd.grad(expected.sum(), kept)
    np.testing.assert_allclose(logit, expected.detach(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(features, kept[0].detach(), rtol=0, atol=1e-4)
    assert np.abs(gradient - slope.numpy()).max() < 1e-4 * np.abs(slope.numpy()).max()


def test_parity_is_measured_and_another_network_is_refused(exported: Path) -> None:
    assert max(check_parity(network(0), exported, pictures(3)).values()) < 1e-4
    with pytest.raises(ValueError, match="differs from PyTorch's"):
        check_parity(network(1), exported, pictures(3))


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
