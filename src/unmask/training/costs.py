"""What errors cost, and the threshold that follows: no retraining, only another operating point.

A crop is called fake where that is the cheaper call. With log odds as logits the threshold has a
closed form; for losses that distort the logits it is where validation crops cost least. Needs no
torch.

Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, equations 2 and 3 (costs),
9 (another base rate).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float64]
IsFake = NDArray[np.bool_]


@dataclass(frozen=True)
class Costs:
    """The cost matrix, whose right calls cost nothing, and the share of fakes in use."""

    false_positive: float = 1.0
    """Cost of calling a real face fake."""
    false_negative: float = 1.0
    """Cost of missing a fake."""
    prior_fake: float = 0.5
    """Share of fakes."""

    def __post_init__(self) -> None:
        """Refuse costs and shares that decide nothing."""
        if min(self.false_positive, self.false_negative) <= 0 or not 0 < self.prior_fake < 1:
            raise ValueError(
                f"costs must be above 0 and the share of fakes between 0 and 1, got {self}"
            )

    def __str__(self) -> str:
        """Show as `false positive:false negative`."""
        return f"{self.false_positive:g}:{self.false_negative:g}"


def bayes_logit(costs: Costs, *, trained_log_odds: float) -> float:
    """Return the logit at and above which calling a crop fake costs less.

    Args:
        costs: of the errors, and the share of fakes in use.
        trained_log_odds: log odds of fake over real that the logits carry from training.

    >>> round(bayes_logit(Costs(5, 1), trained_log_odds=0.0), 4)
    1.6094
    """
    prior = log(costs.prior_fake / (1 - costs.prior_fake))
    return log(costs.false_positive / costs.false_negative) - prior + trained_log_odds


def cheapest_logit(logits: Logits, is_fake: IsFake, *, costs: Costs) -> float:
    """Return the threshold with the least expected cost on labelled crops.

    It lies half-way between two logits; of equally cheap ones it is the lowest.

    Args:
        logits: `(N,)`.
        is_fake: `(N,)`, both classes present.
        costs: of the errors, and the share of fakes in use.
    """
    steps = np.unique(logits)
    candidates = np.concatenate([[steps[0] - 1], (steps[:-1] + steps[1:]) / 2, [steps[-1] + 1]])
    reals, fakes = np.sort(logits[~is_fake]), np.sort(logits[is_fake])
    false_positives = 1 - np.searchsorted(reals, candidates) / len(reals)
    misses = np.searchsorted(fakes, candidates) / len(fakes)
    spent = (1 - costs.prior_fake) * costs.false_positive * false_positives
    spent += costs.prior_fake * costs.false_negative * misses
    return float(candidates[np.argmin(spent)])


def threshold_for(
    costs: Costs, trained_log_odds: float | None, logits: Logits, is_fake: IsFake
) -> float:
    """Return the logit at and above which a crop is called fake: in closed form if there is one.

    Args:
        costs: of the errors, and the share of fakes in use.
        trained_log_odds: as of `bayes_logit`; None where the logits are no log odds.
        logits: `(N,)` of labelled crops, on which the threshold is chosen without a closed form.
        is_fake: `(N,)`, both classes present.
    """
    if trained_log_odds is None:
        return cheapest_logit(logits, is_fake, costs=costs)
    return bayes_logit(costs, trained_log_odds=trained_log_odds)
