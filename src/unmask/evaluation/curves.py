"""The curves of a report as plain numbers: what is drawn is computed here and nowhere else.

Sources: cost curves: Drummond & Holte (2006); risk-coverage: El-Yaniv & Wiener (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from unmask.evaluation.weightings import BINS, Sorted, Values

Points = tuple[tuple[float, float], ...]

MAX_POINTS = 400
"""Most points of a curve that is stored."""
HISTOGRAM_BINS = 30
_COSTS = 101


@dataclass(frozen=True)
class ReliabilityBin:
    """Units whose probability lies in one bin."""

    probability: float
    """Their mean probability."""
    share: float
    """Share of fakes among them."""
    count: int
    """How many they are."""


@dataclass(frozen=True)
class Histogram:
    """Scores of one kind of unit."""

    name: str
    """`real`, or the manipulation method."""
    counts: tuple[int, ...]
    """Units in each bin; the bins are the same for all histograms."""


@dataclass(frozen=True)
class Curves:
    """All curves of one set of units."""

    roc: Points
    """False positive rate, true positive rate."""
    det: Points
    """Both error rates on the normal deviate scale, without the ends where one is 0 or 1."""
    reliability: tuple[ReliabilityBin, ...]
    """Bins that have units, by probability."""
    histograms: tuple[Histogram, ...]
    """Reals first, then methods by name."""
    histogram_edges: tuple[float, ...]
    """Edges of their bins, logits."""
    cost: Points
    """Weight of misses in [0, 1], least expected cost over all thresholds."""
    cost_here: Points
    """The same at the chosen threshold."""
    risk_coverage: Points
    """Share of units that are answered, error rate among them; the surest first."""


def compute_curves(units: Sorted, kinds: Sequence[str]) -> Curves:
    """Compute all curves.

    Args:
        units: sorted, of both labels.
        kinds: `real` or the method of each unit, in the order of `units`.
    """
    batch = units.plain()
    roc = batch.roc
    fpr, tpr = roc.fpr[0], roc.tpr[0]
    counts = batch.confusion
    miss, alarm = (
        float((n / of)[0]) for n, of in ((counts.fn, batch.fakes), (counts.fp, batch.reals))
    )
    weight = np.linspace(0, 1, _COSTS)
    least = np.min((1 - tpr)[:, None] * weight + fpr[:, None] * (1 - weight), axis=0)
    edges, histograms = _histograms(units, kinds)
    return Curves(
        roc=thin_curve(fpr, tpr),
        det=_det(fpr, 1 - tpr),
        reliability=reliability(units),
        histograms=histograms,
        histogram_edges=edges,
        cost=_points(weight, least),
        cost_here=_points(weight[[0, -1]], np.array([alarm, miss])),
        risk_coverage=_risk_coverage(units),
    )


def _points(x: Values, y: Values) -> Points:
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def thin_curve(x: Values, y: Values) -> Points:
    """Return a curve with at most `MAX_POINTS` points, its ends among them."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(np.int64))
    return _points(x[keep], y[keep])


def _det(false_alarms: Values, misses: Values) -> Points:
    inside = (false_alarms > 0) & (false_alarms < 1) & (misses > 0) & (misses < 1)
    deviate = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
    if not inside.any():
        return ()
    return thin_curve(deviate(false_alarms[inside]), deviate(misses[inside]))


def reliability(units: Sorted) -> tuple[ReliabilityBin, ...]:
    """Return mean probability and share of fakes in bins of equal width."""
    place = np.minimum((units.probability * BINS).astype(np.int64), BINS - 1)
    groups = [place == number for number in range(BINS)]
    return tuple(
        ReliabilityBin(
            float(units.probability[group].mean()),
            float(units.is_fake[group].mean()),
            int(group.sum()),
        )
        for group in groups
        if group.any()
    )


def _histograms(
    units: Sorted, kinds: Sequence[str]
) -> tuple[tuple[float, ...], tuple[Histogram, ...]]:
    names = np.array(kinds, dtype=object)
    edges = np.histogram_bin_edges(units.logit, bins=HISTOGRAM_BINS)
    ordered = sorted(set(kinds), key=lambda name: (name != "real", name))
    histograms = tuple(
        Histogram(name, tuple(np.histogram(units.logit[names == name], bins=edges)[0].tolist()))
        for name in ordered
    )
    return tuple(edges.tolist()), histograms


def _risk_coverage(units: Sorted) -> Points:
    wrong = units.called != units.is_fake
    order = np.argsort(-np.abs(units.log_odds), kind="stable")
    count = np.arange(1, len(order) + 1)
    return thin_curve(count / len(order), np.cumsum(wrong[order]) / count)
