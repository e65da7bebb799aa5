"""Learning rates: the paper's plateau beside Keras's rule, and cosine with warm-up."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (extra `train`)")

from unmask.training.optimisation import make_optimiser, make_plateau_rule, rate_factor
from unmask.training.recipe import OptimiserPart, SchedulePart

PAPER = SchedulePart()


def keras_plateau(accuracies: list[float], rate: float) -> list[float]:
    """Return the rates after each epoch by the rule of Keras's `ReduceLROnPlateau`, retold."""
    best, waited, rates = -np.inf, 0, []
    for accuracy in accuracies:
        if accuracy > best + 1e-4:
            best, waited = accuracy, 0
        else:
            waited += 1
            if waited >= 5 and rate > 1e-4:
                rate, waited = max(rate * 0.5, 1e-4), 0
        rates.append(rate)
    return rates


def test_the_plateau_is_keras() -> None:
    accuracies = [0.5, 0.6, *[0.6] * 5, 0.60005, *[0.59] * 9, 0.7, *[0.7] * 30]
    network = torch.nn.Linear(2, 1)
    optimiser = make_optimiser(network, OptimiserPart())
    plateau = make_plateau_rule(optimiser, PAPER)
    rates = []
    for accuracy in accuracies:
        plateau.step(accuracy)
        rates.append(optimiser.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, keras_plateau(accuracies, 1e-3))
    assert rates[-1] == 1e-4


def test_cosine_warms_up_and_falls_to_zero() -> None:
    part = SchedulePart(name="cosine", warmup_ratio=0.2)
    factors = [rate_factor(done, part) for done in (0.05, 0.1, 0.2, 0.6, 1.0)]
    assert factors == pytest.approx([0.25, 0.5, 1.0, 0.5, 0.0])


def test_a_constant_rate_stays_after_its_warm_up() -> None:
    part = SchedulePart(name="constant", warmup_ratio=0.5)
    assert [rate_factor(done, part) for done in (0.25, 0.5, 1.0)] == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_only_matrices_decay(name: str) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimiser = make_optimiser(network, OptimiserPart(name=name, weight_decay=0.1))
    decay = {p: g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert {n: decay[p] for n, p in network.named_parameters()} == {
        "0.weight": 0.1,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
    }
