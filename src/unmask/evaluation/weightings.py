"""One set of scored units under many weightings: what all metrics are functions of.

A weighting says how often each unit counts. A bootstrap replicate is a weighting, and so is the
plain data (all ones), so that each metric is written once, for `(B, N)` weights. Units are sorted
once; a replicate then costs a few cumulative sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

BINS = 15
"""Bins of the calibration error and of the reliability diagram."""


@dataclass(frozen=True, eq=False)
class Sorted:
    """Scored units in order of falling logit."""

    logit: Values
    """`(N,)` descending."""
    log_odds: Values
    """`(N,)` calibrated natural log odds of fake at even prior odds."""
    is_fake: NDArray[np.bool_]
    """`(N,)` labels."""
    called: NDArray[np.bool_]
    """`(N,)` whether the unit is called fake at the chosen threshold."""
    order: NDArray[np.int64]
    """`(N,)` where each stood before sorting."""

    @classmethod
    def of(
        cls, logit: Values, is_fake: NDArray[np.bool_], *, log_odds: Values, threshold: float
    ) -> Sorted:
        """Sort units.

        Args:
            logit: `(N,)` finite scores.
            is_fake: `(N,)` labels.
            log_odds: `(N,)` their calibrated log odds.
            threshold: logit at or above which a unit is called fake.
        """
        order = np.argsort(-logit, kind="stable")
        return cls(logit[order], log_odds[order], is_fake[order], logit[order] >= threshold, order)

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """`(K,)` last position of each run of equal logits."""
        return np.append(np.flatnonzero(np.diff(self.logit)), len(self.logit) - 1)

    @cached_property
    def probability(self) -> Values:
        """`(N,)` calibrated P(fake)."""
        return np.asarray(0.5 * (1 + np.tanh(self.log_odds / 2)))

    @cached_property
    def squared_error(self) -> Values:
        """`(N,)` squared distance of the probability from the truth."""
        return np.asarray((self.probability - self.is_fake) ** 2)

    @cached_property
    def surprise_of_fake(self) -> Values:
        """`(N,)` negative log probability of fake, nats."""
        return np.logaddexp(0, -self.log_odds)

    @cached_property
    def surprise_of_real(self) -> Values:
        """`(N,)` negative log probability of real, nats."""
        return np.logaddexp(0, self.log_odds)

    @cached_property
    def surprise(self) -> Values:
        """`(N,)` negative log probability of the truth, nats."""
        return np.where(self.is_fake, self.surprise_of_fake, self.surprise_of_real)

    @cached_property
    def bin(self) -> NDArray[np.int64]:
        """`(N,)` number of each unit's bin of probability."""
        return np.minimum((self.probability * BINS).astype(np.int64), BINS - 1)

    @cached_property
    def gap(self) -> Values:
        """`(N,)` truth minus probability."""
        return np.asarray(self.is_fake - self.probability)

    def plain(self) -> Batch:
        """Return the batch of one weighting, each unit counted once."""
        return Batch(self, np.ones((1, len(self.logit))))


@dataclass(frozen=True, eq=False)
class Confusion:
    """Weighted counts at the chosen threshold, `(B,)` each; fake is positive."""

    tp: Values
    """Fakes called fake."""
    fp: Values
    """Reals called fake."""
    fn: Values
    """Fakes called real."""
    tn: Values
    """Reals called real."""


@dataclass(frozen=True, eq=False)
class Roc:
    """Points of the ROC curve from (0, 0) to (1, 1), a step for each distinct score."""

    fpr: Values
    """`(B, K + 1)` share of reals called fake."""
    tpr: Values
    """`(B, K + 1)` share of fakes called fake."""
    fp: Values
    """`(B, K + 1)` reals called fake."""
    tp: Values
    """`(B, K + 1)` fakes called fake."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sorted units under B weightings."""

    units: Sorted
    """The units."""
    weights: Values
    """`(B, N)` how often each counts, in the order of `units`."""

    @cached_property
    def _split(self) -> tuple[Values, Values]:
        """Weights of fakes and of reals, `(B, N)`, zero at the others."""
        fakes = self.weights * self.units.is_fake
        return fakes, self.weights - fakes

    @cached_property
    def fakes(self) -> Values:
        """`(B,)` weight of the fakes."""
        return np.asarray(self._split[0].sum(axis=1))

    @cached_property
    def reals(self) -> Values:
        """`(B,)` weight of the reals."""
        return np.asarray(self._split[1].sum(axis=1))

    @cached_property
    def confusion(self) -> Confusion:
        """Counts at the threshold."""
        fakes, reals = self._split
        tp, fp = fakes @ self.units.called, reals @ self.units.called
        return Confusion(tp=tp, fp=fp, fn=self.fakes - tp, tn=self.reals - fp)

    @cached_property
    def roc(self) -> Roc:
        """The ROC curve; NaN where a class has no weight."""
        fakes, reals = self._split
        tp, fp = self._summed(fakes), self._summed(reals)
        with np.errstate(invalid="ignore", divide="ignore"):
            return Roc(fpr=fp / self.reals[:, None], tpr=tp / self.fakes[:, None], fp=fp, tp=tp)

    def _summed(self, part: Values) -> Values:
        """Return cumulative sums at the distinct scores, from zero on."""
        ends = self.units.ends
        summed = np.zeros((len(part), len(ends) + 1))
        if len(ends) == part.shape[1]:
            np.cumsum(part, axis=1, out=summed[:, 1:])
        else:
            summed[:, 1:] = np.cumsum(part, axis=1)[:, ends]
        return summed

    def mean(self, losses: Values) -> Values:
        """Return the weighted mean of a value per unit, `(B,)`."""
        return np.asarray(self.weights @ losses / self.weights.sum(axis=1))

    def mean_of_classes(self, of_fakes: Values, of_reals: Values) -> Values:
        """Return the mean over fakes of one value plus the mean over reals of another, halved."""
        fakes, reals = self._split
        with np.errstate(invalid="ignore", divide="ignore"):
            both = fakes @ of_fakes / self.fakes + reals @ of_reals / self.reals
        return np.asarray(both / 2)
