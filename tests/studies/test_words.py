"""Sentences of answers say what their numbers say."""

# ruff: noqa: E402 - imports wait for the check that packages are there

from __future__ import annotations

import numpy as np
import pytest

for package in ("pyarrow", "sklearn"):
    pytest.importorskip(package, reason=f"needs {package} (extra `evaluation`)")

from unmask.studies.estimate import Estimate
from unmask.studies.experiments.consistency import _compare_right
from unmask.studies.experiments.leak import _describe_share
from unmask.studies.experiments.severity import _FAKES, _REALS, _describe_break
from unmask.studies.experiments.unseen import _conclude_on_methods
from unmask.studies.resampling import AUC, Estimates, Scored


def scored(shift: float) -> Scored:
    is_fake = np.arange(200) % 2 == 1
    logit = np.random.default_rng(0).normal(size=200) + shift * is_fake
    names = np.array([f"clip{n // 2}" for n in range(200)], dtype=object)
    return Scored("0", logit, is_fake, names)


@pytest.mark.parametrize(
    ("unseen", "said"), [(0.2, "less well"), (1.0, "not clearly otherwise"), (3.0, "better")]
)
def test_an_unseen_manipulation_is_found_as_the_sign_of_its_change_says(
    unseen: float, said: str
) -> None:
    pair = ("a, unseen", "a, seen")
    estimates = Estimates({"a, unseen": [scored(unseen)], "a, seen": [scored(1.0)]}, (AUC,))
    change = estimates.difference(*pair, AUC)
    (text,) = _conclude_on_methods(estimates, {"a": pair}, {"a": change})
    assert f"is found {said}: AUC changes by {change.signed}" in text
    assert f"Clearly less well: {'a' if said == 'less well' else 'none'};" in text
    assert f"better: {'a' if said == 'better' else 'none'}." in text


def test_a_break_point_is_told_as_real_to_fake() -> None:
    estimate = Estimate(8.9, 6.4, None, 100, 100, 1)
    assert _describe_break(estimate, _REALS) == "9:1 (95 % interval: 6:1 to beyond those measured)"
    assert _describe_break(estimate, _FAKES) == "1:9 (95 % interval: 1:6 to beyond those measured)"
    nowhere = Estimate(None, None, None, 100, 100, 1)
    assert _describe_break(nowhere, _REALS).startswith("no ratio that was measured (")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.3, "The three agree more on"),
        (-0.3, -0.1, "The three agree less on"),
        (-0.1, 0.3, "Whether the three agree more on"),
    ],
)
def test_maps_agree_more_or_less_on_right_calls_as_the_interval_says(
    low: float, high: float, said: str
) -> None:
    change = Estimate((low + high) / 2, low, high, 24, 12, 1)
    assert _compare_right(change).startswith(f"{said} crops that are called rightly")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.405, "a share of 0.405 [0.200, 0.800] is gone under the identity split"),
        (1.11, "all is gone under the identity split (a share of 1.110"),
        (None, "has no lead over guessing (AUC 0.5) that could be leak"),
    ],
)
def test_a_lead_that_is_gone_is_told_as_large_as_it_is(value: float | None, said: str) -> None:
    assert said in _describe_share(Estimate(value, 0.2, 0.8, 96, 37, 4), "identity")
