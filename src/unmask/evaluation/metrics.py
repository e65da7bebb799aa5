"""Every figure by name: functions of a batch of weightings, `(B,)` numbers each. Numpy only.

Fake is the positive class. A figure that does not exist for a weighting (no reals in it, nothing
called fake) is NaN there. A figure that the data cannot carry is refused with its reason.

Sources: partial AUC as McClish (1989) standardised it; Cllr: Brümmer & du Preez (2006), eq. 1-3;
calibration error: Naeini et al. (2015), 15 bins of equal width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.weightings import BINS, Batch, Confusion, Roc, Values

PARTIAL_FPR = 0.1
"""The partial AUC looks at false positive rates up to this."""
ALARMS_NEEDED = 3
"""A rate of false alarms is measured where it means at least this many reals."""
_ROUNDS = 64
"""Rounds in which a hull is pooled at once; 2,000 draws of 100,000 rows took 9 to 15."""


@dataclass(frozen=True)
class CostMatrix:
    """What a wrong answer costs, and how common fakes are taken to be."""

    miss: float = 1.0
    """Cost of a fake called real."""
    false_alarm: float = 1.0
    """Cost of a real called fake."""
    prior: float = 0.5
    """Share of fakes in the place of use."""

    def __post_init__(self) -> None:
        """Refuse costs that order nothing."""
        if min(self.miss, self.false_alarm) <= 0 or not 0 < self.prior < 1:
            raise ValueError(f"costs must be above zero and the prior within (0, 1), got {self}")


@dataclass(frozen=True)
class Metric:
    """A figure that can be computed."""

    name: str
    """As it is printed."""
    compute: Callable[[Batch], Values]
    """From a batch to `(B,)` numbers."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is better."""
    reals_needed: int = 1
    """Fewest reals that it means anything for."""
    fakes_needed: int = 1
    """Fewest fakes."""

    def refusal(self, *, reals: int, fakes: int) -> str | None:
        """Say why it cannot be given for so many units, or None where it can."""
        for have, needed, what in (
            (reals, self.reals_needed, "reals"),
            (fakes, self.fakes_needed, "fakes"),
        ):
            if have < needed:
                return f"{have} {what}, at least {needed} needed"
        return None


def _ratio(above: Values, below: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(above / below)


def _accuracy(c: Confusion) -> Values:
    return _ratio(c.tp + c.tn, c.tp + c.tn + c.fp + c.fn)


def _recall(c: Confusion) -> Values:
    return _ratio(c.tp, c.tp + c.fn)


def _precision(c: Confusion) -> Values:
    return _ratio(c.tp, c.tp + c.fp)


def _f1(c: Confusion) -> Values:
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def swap_classes(c: Confusion) -> Confusion:
    """Return the counts with real as the positive class."""
    return Confusion(tp=c.tn, fp=c.fn, fn=c.fp, tn=c.tp)


def _macro(of_class: Callable[[Confusion], Values], c: Confusion) -> Values:
    return (of_class(c) + of_class(swap_classes(c))) / 2


def _weight(of_class: Callable[[Confusion], Values], c: Confusion) -> Values:
    fakes, reals = c.tp + c.fn, c.tn + c.fp
    return _ratio(fakes * of_class(c) + reals * of_class(swap_classes(c)), fakes + reals)


def _real(of_class: Callable[[Confusion], Values], c: Confusion) -> Values:
    return of_class(swap_classes(c))


_OF_CLASS = {"precision": _precision, "recall": _recall, "F1": _f1}
COUNTED: dict[str, Callable[[Confusion], Values]] = {
    "accuracy": _accuracy,
    "balanced accuracy": partial(_macro, _recall),
    **{f"{name}, fake": of_class for name, of_class in _OF_CLASS.items()},
    **{f"{name}, real": partial(_real, of_class) for name, of_class in _OF_CLASS.items()},
    **{f"{name}, macro": partial(_macro, of_class) for name, of_class in _OF_CLASS.items()},
    **{f"{name}, weighted": partial(_weight, of_class) for name, of_class in _OF_CLASS.items()},
}
"""Figures at the threshold, from the confusion matrix."""


def auc(roc: Roc) -> Values:
    """Area under the ROC curve: how often a fake scores above a real, ties as halves."""
    return np.asarray((np.diff(roc.fpr) * (roc.tpr[:, 1:] + roc.tpr[:, :-1])).sum(axis=1) / 2)


def partial_auc(roc: Roc, *, max_fpr: float = PARTIAL_FPR) -> Values:
    """Area up to a false positive rate, rescaled so that chance is 0.5 and perfect is 1."""
    # steps that begin to the right in every weighting add nothing
    count = 1 + int((roc.fpr[:, :-1] < max_fpr).sum(axis=1).max(initial=1))
    x, y = roc.fpr[:, :count], roc.tpr[:, :count]
    low, high = x[:, :-1], np.minimum(x[:, 1:], max_fpr)
    width = np.maximum(high - low, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(np.diff(x) > 0, np.diff(y) / np.diff(x), 0.0)
    area = (width * (y[:, :-1] + slope * width / 2)).sum(axis=1)
    area = np.where(np.isnan(roc.fpr[:, -1] + roc.tpr[:, -1]), np.nan, area)
    least = max_fpr**2 / 2
    return np.asarray(0.5 * (1 + (area - least) / (max_fpr - least)))


def average_precision(roc: Roc) -> Values:
    """Mean precision over the steps of recall."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(roc.tp + roc.fp > 0, roc.tp / (roc.tp + roc.fp), 0.0)
    return np.asarray((np.diff(roc.tpr) * precision[:, 1:]).sum(axis=1))


def equal_error_rate(roc: Roc) -> Values:
    """Rate at which as many reals are called fake as fakes real, on the straight-line ROC curve."""
    gap = roc.fpr - (1 - roc.tpr)  # rises from -1 to 1
    after = np.argmax(gap >= 0, axis=1)
    rows = np.arange(len(gap))
    g0, g1 = gap[rows, after - 1], gap[rows, after]
    x0, x1 = roc.fpr[rows, after - 1], roc.fpr[rows, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(x0 + (x1 - x0) * (-g0 / (g1 - g0)))


def tpr_at(roc: Roc, *, fpr: float) -> Values:
    """Share of fakes found by the lowest threshold that keeps the false positive rate."""
    rates = np.where(roc.fpr <= fpr * (1 + 1e-12), roc.tpr, 0.0).max(axis=1)
    return np.where(np.isnan(roc.fpr[:, -1]), np.nan, rates)


CURVED: dict[str, Callable[[Roc], Values]] = {
    "AUC": auc,
    f"partial AUC (FPR ≤ {PARTIAL_FPR:g})": partial_auc,
    "average precision": average_precision,
    "EER": equal_error_rate,
}
"""Figures of the ROC curve, without a threshold."""


def brier(batch: Batch) -> Values:
    """Mean squared distance of the probability from the truth."""
    return batch.mean(batch.units.squared_error)


def log_loss(batch: Batch) -> Values:
    """Mean negative log probability of the truth, in nats."""
    return batch.mean(batch.units.surprise)


def calibration_error(batch: Batch) -> Values:
    """Mean distance of the probability from the share of fakes, over bins of equal width (ECE)."""
    place, gaps = batch.units.bin, batch.weights * batch.units.gap
    per_bin = np.stack([np.bincount(place, gap, minlength=BINS) for gap in gaps])
    return np.asarray(np.abs(per_bin).sum(axis=1) / batch.weights.sum(axis=1))


def cllr(batch: Batch) -> Values:
    """Log-likelihood-ratio cost in bits: 0 is perfect, 1 is what no information costs."""
    units = batch.units
    nats = batch.mean_of_classes(units.surprise_of_fake, units.surprise_of_real)
    return np.asarray(nats / np.log(2))


def min_cllr(batch: Batch) -> Values:
    """Cllr after the best monotone calibration: what the order of the scores alone allows."""
    segments = hulls(np.diff(batch.roc.tp), np.diff(batch.roc.fp))
    with np.errstate(divide="ignore", invalid="ignore"):
        fakes = segments.fakes / batch.fakes[segments.row]
        reals = segments.reals / batch.reals[segments.row]
        of_fakes = np.where(fakes > 0, fakes * np.log2(1 + reals / fakes), 0.0)
        of_reals = np.where(reals > 0, reals * np.log2(1 + fakes / reals), 0.0)
    nats = np.bincount(segments.row, of_fakes + of_reals, minlength=len(batch.weights))
    return np.where((batch.fakes > 0) & (batch.reals > 0), nats / 2, np.nan)


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of the convex hulls of B ROC curves, one hull after the other."""

    row: NDArray[np.int64]
    """`(M,)` which curve each is of."""
    fakes: Values
    """`(M,)` fakes in it."""
    reals: Values
    """`(M,)` reals in it."""


def hulls(fakes: Values, reals: Values) -> Segments:
    """Return the segments of ROC curves' convex hulls, the steepest of each first (PAV).

    Runs of steps that do not fall are pooled all at once, again and again: it does not matter which
    adjacent violators are pooled first, and scores of detectors need a few rounds. What is left
    after `_ROUNDS` is pooled step by step.

    Args:
        fakes: `(B, K)` fakes at each step of the curves, by falling score.
        reals: `(B, K)` reals likewise.
    """
    drawn = np.flatnonzero(fakes + reals)
    segments = Segments(drawn // fakes.shape[1], fakes.ravel()[drawn], reals.ravel()[drawn])
    for _ in range(_ROUNDS):
        first = np.append(True, _is_first(segments))[: len(segments.row)]
        if first.all():
            return segments
        starts = np.flatnonzero(first)
        segments = Segments(
            segments.row[starts],
            np.add.reduceat(segments.fakes, starts),
            np.add.reduceat(segments.reals, starts),
        )
    return _pool_stepwise(segments)


def _is_first(segments: Segments) -> NDArray[np.bool_]:
    """Tell which segments but the first are less steep than the one before, or of another row."""
    row, fakes, reals = segments.row, segments.fakes, segments.reals
    falls = fakes[1:] * reals[:-1] < fakes[:-1] * reals[1:]
    return np.asarray(falls | (row[1:] != row[:-1]))


def _pool_stepwise(segments: Segments) -> Segments:
    pooled: list[tuple[int, float, float]] = []
    for row, more_fakes, more_reals in zip(
        segments.row.tolist(), segments.fakes.tolist(), segments.reals.tolist(), strict=True
    ):
        fakes, reals = more_fakes, more_reals
        while pooled and pooled[-1][0] == row and fakes * pooled[-1][2] >= pooled[-1][1] * reals:
            _, last_fakes, last_reals = pooled.pop()
            fakes, reals = fakes + last_fakes, reals + last_reals
        pooled.append((row, fakes, reals))
    row_of, fakes_of, reals_of = zip(*pooled, strict=True)
    return Segments(np.array(row_of), np.array(fakes_of), np.array(reals_of))


def expected_cost(batch: Batch, *, costs: CostMatrix) -> Values:
    """Cost per unit at the threshold, over that of the better of calling all real or all fake."""
    of_miss, of_alarm = costs.miss * costs.prior, costs.false_alarm * (1 - costs.prior)
    counts = batch.confusion
    missed = _ratio(counts.fn, counts.fn + counts.tp)
    alarms = _ratio(counts.fp, counts.fp + counts.tn)
    return np.asarray((of_miss * missed + of_alarm * alarms) / min(of_miss, of_alarm))


def metrics(costs: CostMatrix | None = None) -> tuple[Metric, ...]:
    """Return all figures, in the order to print them.

    Args:
        costs: of the figure `expected cost`; even ones by default.
    """
    of_curve = [Metric(n, partial(_on_roc, f), _better(n)) for n, f in CURVED.items()]
    at_rates = [
        Metric(
            f"TPR at {fpr * 100:g} % FPR",
            partial(_on_roc, partial(tpr_at, fpr=fpr)),
            reals_needed=round(ALARMS_NEEDED / fpr),
        )
        for fpr in (0.01, 0.001)
    ]
    counted = [Metric(n, partial(_on_counts, f)) for n, f in COUNTED.items()]
    probable = [
        Metric("Brier score", brier, "lower"),
        Metric("log loss", log_loss, "lower"),
        Metric("calibration error (ECE)", calibration_error, "lower"),
        Metric("Cllr", cllr, "lower"),
        Metric("minimum Cllr", min_cllr, "lower"),
        Metric("expected cost", partial(expected_cost, costs=costs or CostMatrix()), "lower"),
    ]
    return (*of_curve, *at_rates, *counted, *probable)


def _better(name: str) -> Literal["higher", "lower"]:
    return "lower" if name == "EER" else "higher"


def _on_roc(of_roc: Callable[[Roc], Values], batch: Batch) -> Values:
    return of_roc(batch.roc)


def _on_counts(of_counts: Callable[[Confusion], Values], batch: Batch) -> Values:
    return of_counts(batch.confusion)
