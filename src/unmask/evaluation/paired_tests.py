"""Two detectors on the same units: differences with intervals, and tests.

With one unit per cluster (one video of each source) DeLong's test compares AUCs and McNemar's the
decisions. Where units share clusters both would take copies for evidence; then only the paired
cluster bootstrap speaks.

Sources: DeLong, DeLong & Clarke-Pearson (1988), by midranks as in Sun & Xu (2014); McNemar (1947),
exact (binomial).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from unmask.core.settings import REPLICATES
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, LEVEL, Interval, percentile_interval
from unmask.evaluation.bootstrap import replicate as replicate_clusters
from unmask.evaluation.metrics import Metric
from unmask.evaluation.weightings import Batch, Sorted, Values

_NORMAL = NormalDist()


@dataclass(frozen=True)
class DeLong:
    """DeLong's test of two AUCs on the same units."""

    auc: tuple[float, float]
    """The two."""
    difference: float
    """The first minus the second."""
    standard_error: float
    """Of the difference."""
    interval: Interval
    """95 % interval of the difference."""
    p_value: float
    """Two-sided; 1 where the scores order alike."""


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two sets of decisions on the same units."""

    only_first_right: int
    """Units that only the first decided rightly."""
    only_second_right: int
    """Units that only the second did."""
    p_value: float
    """Two-sided."""


@dataclass(frozen=True)
class Difference:
    """A figure of both detectors and their difference."""

    name: str
    """Of the figure."""
    first: float
    """The first detector's."""
    second: float
    """The second's."""
    difference: float
    """The first minus the second."""
    interval: Interval | None
    """95 % interval of the difference by paired cluster bootstrap; None: too few clusters."""
    p_value: float | None
    """Two-sided, from the same replicates; never below 2 / (replicates + 1)."""


def midranks(values: Values) -> Values:
    """Return ranks from 1, equal values sharing their mean rank.

    >>> midranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[group])


def _placements(logit: Values, is_fake: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Return for each fake the share of reals below it, for each real that of fakes above it."""
    fakes, reals = logit[is_fake], logit[~is_fake]
    together = midranks(np.concatenate([fakes, reals]))
    above = (together[: len(fakes)] - midranks(fakes)) / len(reals)
    below = 1 - (together[len(fakes) :] - midranks(reals)) / len(fakes)
    return above, below


def delong(first: Values, second: Values, is_fake: NDArray[np.bool_]) -> DeLong:
    """Compare two AUCs on the same independent units.

    Args:
        first: `(N,)` scores of the first detector.
        second: `(N,)` scores of the second.
        is_fake: `(N,)` labels, at least two of each.

    Raises:
        ValueError: there are too few of a label.
    """
    if min(int(is_fake.sum()), int((~is_fake).sum())) < 2:
        raise ValueError("DeLong's test needs at least two fakes and two reals")
    pairs = [_placements(scores, is_fake) for scores in (first, second)]
    auc = (float(pairs[0][0].mean()), float(pairs[1][0].mean()))
    variance = sum(
        float(np.var(pairs[0][side] - pairs[1][side], ddof=1)) / len(pairs[0][side])
        for side in (0, 1)
    )
    difference, error = auc[0] - auc[1], math.sqrt(variance)
    half = _NORMAL.inv_cdf((1 + LEVEL) / 2) * error
    p_value = 2 * (1 - _NORMAL.cdf(abs(difference) / error)) if error > 0 else float(not difference)
    interval = Interval(difference - half, difference + half)
    return DeLong(auc, difference, error, interval, p_value)


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Compare decisions on the same independent units, given which were right, `(N,)` each."""
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    total = only_first + only_second
    tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**total))


def differences(
    first: Sorted,
    second: Sorted,
    cluster: NDArray[np.int64],
    figures: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[Difference]:
    """Return each figure of both detectors and the interval of their difference.

    Both are computed on the same draws of clusters, so that what makes a draw easy or hard cancels.

    Args:
        first: units of the first detector.
        second: the same units under the second, in the same order before sorting.
        cluster: `(N,)` number of each unit's cluster, in the order before sorting.
        figures: what to compute.
        replicates: how many.
        seed: of the draws.
    """

    def compute(weights: Values) -> dict[str, Values]:
        one = Batch(first, weights[:, first.order])
        other = Batch(second, weights[:, second.order])
        return {f.name: f.compute(one) - f.compute(other) for f in figures}

    replicates_by_name: dict[str, Values] = {}
    if len(np.unique(cluster)) >= CLUSTERS_NEEDED:
        replicates_by_name = replicate_clusters(cluster, compute, replicates=replicates, seed=seed)
    one, other = first.plain(), second.plain()
    return [
        _difference(
            f.name, float(f.compute(one)[0]), float(f.compute(other)[0]), replicates_by_name
        )
        for f in figures
    ]


def _difference(
    name: str, first: float, second: float, replicates_by_name: dict[str, Values]
) -> Difference:
    interval = percentile_interval(replicates_by_name[name]) if replicates_by_name else None
    p_value = None
    if interval is not None:
        known = replicates_by_name[name][np.isfinite(replicates_by_name[name])]
        smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
        p_value = min(1.0, 2 * (smaller + 1) / (len(known) + 1))
    return Difference(name, first, second, first - second, interval, p_value)
