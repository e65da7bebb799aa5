"""Intervals by drawing clusters with replacement: source videos or persons, never single frames.

A replicate is a weighting of the units (how often each one's cluster was drawn), so that units are
sorted once and 2,000 replicates over 100,000 rows take seconds. Intervals are percentile intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.core.settings import REPLICATES
from unmask.evaluation.metrics import Metric, auc
from unmask.evaluation.weightings import Batch, Sorted, Values

LEVEL = 0.95
"""How often an interval should hold the truth."""
CLUSTERS_NEEDED = 5
"""Fewest clusters that an interval is made from."""
_BATCH_VALUES = 100_000
"""Weights held at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""


def draws(cluster: NDArray[np.int64], *, replicates: int, seed: int, rows: int) -> Iterator[Values]:
    """Yield how often each unit counts in replicates, `(B, N)`, `rows` replicates at most a time.

    Args:
        cluster: `(N,)` number of each unit's cluster.
        replicates: in all.
        seed: of the draws; the draws do not depend on `rows`.
        rows: most replicates at a time.
    """
    rng = np.random.default_rng(seed)
    numbers, position = np.unique(cluster, return_inverse=True)
    count = len(numbers)
    even = np.full(count, 1 / count)
    for start in range(0, replicates, rows):
        times = rng.multinomial(count, even, size=min(rows, replicates - start))
        yield times.astype(np.float64)[:, position]


def replicate(
    cluster: NDArray[np.int64],
    compute: Callable[[Values], Mapping[str, Values]],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Values]:
    """Compute figures for replicates.

    Args:
        cluster: `(N,)` number of each unit's cluster.
        compute: from weights `(B, N)` to `(B,)` numbers by name.
        replicates: how many.
        seed: of the draws.

    Returns:
        `(replicates,)` numbers by name.
    """
    rows = max(1, _BATCH_VALUES // max(1, len(cluster)))
    parts = [compute(w) for w in draws(cluster, replicates=replicates, seed=seed, rows=rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def percentile_interval(values: Values) -> Interval | None:
    """Return the percentile interval of replicates, or None where most have no number."""
    known = values[np.isfinite(values)]
    if len(known) < max(2, len(values) / 2):
        return None
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high))


def area_under_roc(
    logit: Values,
    is_fake: NDArray[np.bool_],
    cluster: NDArray[np.int64],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[float, Interval | None]:
    """Return the area under the ROC curve and its interval; None where most draws lack a class.

    Args:
        logit: `(N,)` finite scores.
        is_fake: `(N,)` labels, both there.
        cluster: `(N,)` number of each unit's cluster.
        replicates: how many.
        seed: of the draws.
    """
    ordered = Sorted.of(logit, is_fake, log_odds=logit, threshold=0.0)
    drawn = replicate(
        cluster[ordered.order],
        lambda weights: {"AUC": auc(Batch(ordered, weights).roc)},
        replicates=replicates,
        seed=seed,
    )
    return float(auc(ordered.plain().roc)[0]), percentile_interval(drawn["AUC"])


def intervals(
    units: Sorted,
    cluster: NDArray[np.int64],
    figures: Sequence[Metric],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Return the interval of each figure.

    Args:
        units: sorted.
        cluster: `(N,)` number of each unit's cluster, in the order before sorting.
        figures: what to compute.
        replicates: how many.
        seed: of the draws.

    Returns:
        By name; None where there are too few clusters, or the figure exists in too few replicates.
    """
    if len(np.unique(cluster)) < CLUSTERS_NEEDED:
        return dict.fromkeys([figure.name for figure in figures])

    def compute(weights: Values) -> dict[str, Values]:
        batch = Batch(units, weights)
        return {figure.name: figure.compute(batch) for figure in figures}

    replicates_of = replicate(cluster[units.order], compute, replicates=replicates, seed=seed)
    return {f.name: percentile_interval(replicates_of[f.name]) for f in figures}
