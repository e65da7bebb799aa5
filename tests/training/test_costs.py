"""Thresholds from costs, beside the normal distribution's own and beside trying all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from unmask.training.costs import Costs, bayes_logit, cheapest_logit

costs = st.builds(Costs, st.floats(0.1, 20), st.floats(0.1, 20), st.floats(0.05, 0.95))


@given(costs, st.floats(-2, 2))
def test_the_bayes_threshold_is_where_two_normal_classes_cost_least(
    asked: Costs, odds: float
) -> None:
    """Reals N(0, 1), fakes N(3, 1): the log likelihood ratio at x is 3 x - 4.5."""

    def cost(x: float) -> float:
        false_positives = (1 - asked.prior_fake) * asked.false_positive * norm.sf(x)
        return false_positives + asked.prior_fake * asked.false_negative * norm.cdf(x - 3)

    best = minimize_scalar(cost, bounds=(-4, 7), method="bounded", options={"xatol": 1e-9}).x
    threshold = bayes_logit(asked, trained_log_odds=odds)
    assert threshold == pytest.approx(3 * best - 4.5 + odds, abs=1e-3)


@given(
    costs,
    st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2).filter(
        lambda rows: 0 < sum(fake for _, fake in rows) < len(rows)
    ),
)
def test_no_threshold_is_cheaper_than_the_cheapest(
    asked: Costs, rows: list[tuple[int, bool]]
) -> None:
    logits = np.array([float(logit) for logit, _ in rows])
    is_fake = np.array([fake for _, fake in rows])
    result = cheapest_logit(logits, is_fake, costs=asked)

    def spent(threshold: float) -> float:
        false_positives = (logits[~is_fake] >= threshold).mean()
        misses = (logits[is_fake] < threshold).mean()
        return float(
            (1 - asked.prior_fake) * asked.false_positive * false_positives
            + asked.prior_fake * asked.false_negative * misses
        )

    assert spent(result) == pytest.approx(min(spent(t) for t in np.arange(-6.5, 7)))


def test_dearer_false_alarms_raise_the_threshold() -> None:
    thresholds = [bayes_logit(Costs(cost, 1), trained_log_odds=0.0) for cost in (0.2, 1, 5)]
    assert thresholds == pytest.approx([-np.log(5), 0, np.log(5)])


def test_costs_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="costs must be above 0"):
        Costs(0, 1)
    with pytest.raises(ValueError, match="share of fakes between 0 and 1"):
        Costs(1, 1, prior_fake=1.0)
