"""Figures of the conditions of a study and their differences, with one kind of interval.

A condition is one or more runs (seeds, folds), each with its own units. An interval draws source
videos (clusters) with replacement, and where there are several seeds the error of their mean, from
Student's t distribution (drawing few seeds with replacement would give too little of it). All
conditions are computed on the same draws, so that differences between them are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, percentile_interval, replicate
from unmask.evaluation.metrics import COUNTED, CURVED
from unmask.evaluation.weightings import Batch, Sorted, Values
from unmask.studies.estimate import Estimate

REPLICATES = 1000
"""Draws of an interval."""
SEEDS_NEEDED = 3
"""With fewer, intervals hold the noise of training only in part."""
TWO_SEEDS = 0.70
"""How often a 95 % interval over two seeds holds the truth where training is all the noise: the
probability that Student's t of 1 degree of freedom lies within 1.96."""
AUC, BALANCED, ACCURACY = "AUC", "balanced accuracy", "accuracy"
MEAN = "mean"

Names = NDArray[np.object_]


class Run(Protocol):
    """Units of one seed."""

    @property
    def seed(self) -> str:
        """Names the seed: runs of one are drawn together."""

    @property
    def cluster(self) -> Names:
        """`(N,)` names of the units' clusters."""

    def figure(self, name: str, weights: Values) -> Values:
        """Return a figure under weightings `(B, N)` of the units, `(B,)`."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Units with a score and a label."""

    seed: str
    """Name of the seed."""
    logit: Values
    """`(N,)`."""
    is_fake: NDArray[np.bool_]
    """`(N,)`."""
    cluster: Names
    """`(N,)` names."""
    threshold: float = 0.0
    """Logit from which a unit is called fake."""

    @cached_property
    def _sorted(self) -> Sorted:
        return Sorted.of(self.logit, self.is_fake, log_odds=self.logit, threshold=self.threshold)

    def figure(self, name: str, weights: Values) -> Values:
        """Return AUC or a figure at the threshold."""
        batch = Batch(self._sorted, weights[:, self._sorted.order])
        return CURVED[name](batch.roc) if name in CURVED else COUNTED[name](batch.confusion)


@dataclass(frozen=True, eq=False)
class Valued:
    """Units with a number each, whose mean is asked."""

    seed: str
    """Name of the seed."""
    values: Values
    """`(N,)`."""
    cluster: Names
    """`(N,)` names."""

    def figure(self, name: str, weights: Values) -> Values:
        """Return the weighted mean; NaN where nothing was drawn."""
        if name != MEAN:
            raise ValueError(f"values have a mean only, not {name!r}")
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(weights @ self.values / weights.sum(axis=1))


class Estimates:
    """Figures of conditions under common draws.

    Args:
        conditions: runs of each condition, by its name.
        figures: names of what is computed.
        replicates: draws.
        seed: of the draws.

    Raises:
        ValueError: a condition has no run.
    """

    def __init__(
        self,
        conditions: Mapping[str, Sequence[Run]],
        figures: Sequence[str],
        *,
        replicates: int = REPLICATES,
        seed: int = 0,
    ) -> None:
        if not conditions or not all(conditions.values()):
            raise ValueError("every condition needs a run")
        self._conditions = conditions
        self._figures = tuple(figures)
        runs = [run for each in conditions.values() for run in each]
        clusters = np.unique(np.concatenate([run.cluster for run in runs]).astype(str))
        self.conditions = tuple(conditions)
        """Names of the conditions."""
        self._place = {id(run): np.searchsorted(clusters, run.cluster.astype(str)) for run in runs}
        self._rng = np.random.default_rng(seed)
        plain = self._compute(np.ones((1, len(clusters))), draw_seeds=False)
        self.values = {key: float(value[0]) for key, value in plain.items()}
        """Each figure by condition and name; NaN where it does not exist."""
        self.draws: dict[str, Values] = {}
        """`(replicates,)` by condition and name; none where there are too few clusters."""
        if len(clusters) >= CLUSTERS_NEEDED:
            self.draws = replicate(
                np.arange(len(clusters)), self._compute, replicates=replicates, seed=seed
            )

    def of(self, condition: str, figure: str) -> Estimate:
        """Return a figure of a condition."""
        key = _key(condition, figure)
        draws = self.draws.get(key)
        if draws is not None and figure != MEAN:
            draws = draws.clip(0, 1)  # of draws of seeds some lie outside what the figure can be
        return self.estimate(self.values[key], draws, condition)

    def difference(self, first: str, second: str, figure: str) -> Estimate:
        """Return a figure of the first condition less that of the second, on the same draws."""
        keys = _key(first, figure), _key(second, figure)
        draws = self.draws[keys[0]] - self.draws[keys[1]] if self.draws else None
        return self.estimate(self.values[keys[0]] - self.values[keys[1]], draws, first, second)

    def mean_difference(self, pairs: Sequence[tuple[str, str]], figure: str) -> Estimate:
        """Return the mean over pairs of conditions of the first's figure less the second's."""
        keys = [(_key(one, figure), _key(other, figure)) for one, other in pairs]
        value = float(np.mean([self.values[a] - self.values[b] for a, b in keys]))
        draws = (
            np.mean([self.draws[a] - self.draws[b] for a, b in keys], axis=0)
            if self.draws
            else None
        )
        return self.estimate(value, draws, *(name for pair in pairs for name in pair))

    def estimate(self, value: float, draws: Values | None, *conditions: str) -> Estimate:
        """Return a number computed from conditions, with the interval of its draws."""
        runs = [run for name in dict.fromkeys(conditions) for run in self._conditions[name]]
        fewest = min(_count_clusters(self._conditions[name]) for name in conditions)
        drawn = draws if fewest >= CLUSTERS_NEEDED else None
        interval = None if drawn is None else percentile_interval(drawn)
        return Estimate(
            value=value if np.isfinite(value) else None,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            units=max(len(run.cluster) for run in runs),
            clusters=_count_clusters(runs),
            runs=max(len(self._conditions[name]) for name in conditions),
        )

    def _compute(self, weights: Values, *, draw_seeds: bool = True) -> dict[str, Values]:
        drawn: dict[int, Values] = {}
        result: dict[str, Values] = {}
        for condition, runs in self._conditions.items():
            seeds, of_run, count = np.unique(
                [run.seed for run in runs], return_inverse=True, return_counts=True
            )
            if len(seeds) not in drawn:
                drawn[len(seeds)] = self._seeds(len(weights), len(seeds), draw=draw_seeds)
            moved = (drawn[len(seeds)] / count)[:, of_run]
            for figure in self._figures:
                values = np.stack(
                    [run.figure(figure, weights[:, self._place[id(run)]]) for run in runs], axis=1
                )
                result[_key(condition, figure)] = _mean(values, moved)
        return result

    def _seeds(self, rows: int, count: int, *, draw: bool) -> Values:
        """Return how far each seed's deviation from the mean moves the mean, `(rows, count)`.

        Deviations with standard deviation s move it by s / sqrt(count) times Student's t of
        count - 1 degrees of freedom; by a normal number with two seeds, whose t has no variance.
        """
        if not draw or count == 1:
            return np.zeros((rows, count))
        normal = self._rng.standard_normal((rows, count))
        freedom = count - 1
        chi2 = self._rng.chisquare(freedom, (rows, 1)) if count >= SEEDS_NEEDED else freedom
        return np.asarray(normal / np.sqrt(count * chi2))


def _mean(values: Values, moved: Values) -> Values:
    """Return the mean over runs `(B, R)`, moved by shares of their deviations; NaN is left out."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
        deviation = np.where(known, values - mean[:, None], 0.0)
        return np.asarray(mean + (moved * deviation).sum(axis=1))


def _count_clusters(runs: Sequence[Run]) -> int:
    return len(np.unique(np.concatenate([run.cluster for run in runs]).astype(str)))


def _key(condition: str, figure: str) -> str:
    return f"{condition}\0{figure}"
