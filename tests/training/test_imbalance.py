"""Strategies against imbalance, each beside a closed form or another's implementation."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs torch (extra `train`)")
ops = pytest.importorskip("torchvision.ops", reason="the reference focal loss is torchvision's")

from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from unmask.training.imbalance import (
    STRATEGIES,
    ClassWeights,
    Counts,
    balanced_weights,
    effective_weights,
    make_strategy,
)
from unmask.training.recipe import ImbalancePart

COUNTS = Counts(real=50, fake=450)
LOGITS = torch.tensor([-3.0, -0.5, 0.0, 0.7, 4.0, 1.5])
LABELS = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
sizes = st.integers(1, 10**6)


def part(name: str, **numbers: float) -> ImbalancePart:
    return ImbalancePart(strategy=name, **numbers)


def two_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return real and fake logits whose difference is the one logit."""
    return torch.stack([-logits / 2, logits / 2], dim=1)


@pytest.mark.parametrize(
    ("counts", "fake", "real"),
    [
        # the paper's data, less a tenth for testing and a tenth of the rest for validation
        (Counts(real=2383, fake=8995), 0.6325, 2.3873),
        (Counts(real=3847, fake=6728), 0.7859, 1.3744),
    ],
)
def test_balanced_gives_the_papers_weights(counts: Counts, fake: float, real: float) -> None:
    weights = balanced_weights(counts)
    assert (round(weights.fake, 4), round(weights.real, 4)) == (fake, real)


@settings(deadline=None)  # the first call loads scikit-learn
@given(sizes, sizes)
def test_balanced_is_scikit_learns(real: int, fake: int) -> None:
    small = (min(real, 500), min(fake, 500))
    expected = compute_class_weight(
        "balanced", classes=np.array([0, 1]), y=np.repeat([0, 1], small)
    )
    weights = balanced_weights(Counts(*small))
    np.testing.assert_allclose((weights.real, weights.fake), expected)


@given(sizes, sizes, st.floats(0.0, 0.99999))
def test_effective_weights_follow_the_geometric_sum(real: int, fake: int, beta: float) -> None:
    """(1 - b^n) / (1 - b) is 1 + b + ... + b^(n-1)."""
    real, fake = min(real, 300), min(fake, 300)
    volumes = [sum(beta**power for power in range(n)) for n in (real, fake)]
    weights = effective_weights(Counts(real, fake), beta)
    assert weights.real + weights.fake == pytest.approx(2)
    assert weights.real / weights.fake == pytest.approx(volumes[1] / volumes[0])


def test_effective_weights_lie_between_none_and_balanced() -> None:
    none, most = effective_weights(COUNTS, 0.0), effective_weights(COUNTS, 1 - 1e-9)
    assert none == ClassWeights(1.0, 1.0)
    assert most.log_odds == pytest.approx(balanced_weights(COUNTS).log_odds, rel=1e-3)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_torchvisions(gamma: float) -> None:
    loss = make_strategy(part("focal", gamma=gamma), COUNTS)(LOGITS, LABELS, done=0.0)
    expected = ops.sigmoid_focal_loss(LOGITS, LABELS, alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(loss, expected)


def test_class_balanced_focal_weighs_torchvisions() -> None:
    loss = make_strategy(part("class-balanced-focal"), COUNTS)(LOGITS, LABELS, done=0.0)
    weights = effective_weights(COUNTS, 0.9999)
    each = ops.sigmoid_focal_loss(LOGITS, LABELS, alpha=-1, gamma=2.0)
    factors = torch.tensor([weights.fake if label else weights.real for label in LABELS])
    torch.testing.assert_close(loss, (each * factors).mean())


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_logit_adjusted_adds_the_log_priors(tau: float) -> None:
    loss = make_strategy(part("logit-adjusted", tau=tau), COUNTS)(LOGITS, LABELS, done=0.0)
    adjusted = two_logits(LOGITS) + tau * torch.log(torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(loss, cross_entropy(adjusted, LABELS.long()))


def test_ldam_takes_a_margin_from_the_right_class() -> None:
    loss = make_strategy(part("ldam-drw", max_margin=0.5), COUNTS)(LOGITS, LABELS, done=0.0)
    margins = torch.tensor([50.0, 450.0]) ** -0.25
    margins *= 0.5 / margins.max()
    enforced = two_logits(LOGITS)
    rows = torch.arange(len(LABELS))
    enforced[rows, LABELS.long()] -= margins[LABELS.long()]
    torch.testing.assert_close(loss, cross_entropy(enforced, LABELS.long()))


def test_ldam_weighs_the_classes_only_late() -> None:
    late = make_strategy(part("ldam-drw", deferred_ratio=0.8), COUNTS)
    real = torch.zeros(4)
    before, after = (late(torch.zeros(4), real, done=done) for done in (0.79, 0.8))
    torch.testing.assert_close(after, before * effective_weights(COUNTS, 0.9999).real)


def test_balanced_lets_both_classes_weigh_alike() -> None:
    labels = torch.cat([torch.zeros(50), torch.ones(450)])
    logits = torch.zeros(500, requires_grad=True)
    make_strategy(part("balanced"), COUNTS)(logits, labels, done=0.0).backward()
    assert float(logits.grad.sum()) == pytest.approx(0.0, abs=1e-6)


def test_none_is_the_plain_cross_entropy() -> None:
    loss = make_strategy(part("none"), COUNTS)(LOGITS, LABELS, done=0.0)
    torch.testing.assert_close(loss, binary_cross_entropy_with_logits(LOGITS, LABELS))


def fitted_intercept(name: str, **numbers: float) -> float:
    """Fit a line to two normal classes of 2,000 and 18,000 and return its intercept."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 2000), rng.normal(1, 1, 18000)])
    x, y = torch.tensor(values), torch.tensor(np.repeat([0.0, 1.0], [2000, 18000]))
    strategy = make_strategy(part(name, **numbers), Counts(2000, 18000))
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = strategy(line[0] * x + line[1], y, done=1.0)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(line[1].detach())


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("none", {}),
        ("balanced", {}),
        ("effective-number", {"beta": 0.9999}),
        ("logit-adjusted", {}),
        ("logit-adjusted", {"tau": 0.5}),
    ],
)
def test_logits_carry_the_log_odds_that_the_strategy_says(
    name: str, numbers: dict[str, float]
) -> None:
    """The evidence of N(1, 1) against N(0, 1) is x - 1/2; the rest of the intercept is the odds."""
    text = make_strategy(part(name, **numbers), Counts(2000, 18000)).log_odds
    assert fitted_intercept(name, **numbers) + 0.5 == pytest.approx(text, abs=0.1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_gives_a_finite_loss_and_gradient(name: str) -> None:
    logits = (LOGITS * 20).requires_grad_()
    loss = make_strategy(part(name), COUNTS)(logits, LABELS * 0.9 + 0.05, done=1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_counts_with_blends_are_what_a_batch_holds() -> None:
    seen = Counts(real=100, fake=300).with_blends(0.5)
    assert (seen.real, seen.fake) == (150, 250)
    assert seen.log_odds == pytest.approx(log(250 / 150))


@settings(max_examples=20)
@given(sizes, sizes, st.floats(0, 0.99))
def test_blends_keep_the_total(real: int, fake: int, ratio: float) -> None:
    seen = Counts(real, fake).with_blends(ratio)
    assert seen.real + seen.fake == pytest.approx(real + fake)


def test_a_class_without_crops_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes need crops"):
        Counts(real=0, fake=3)
