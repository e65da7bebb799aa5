"""Predictions files of folds, each scored by a network that has not seen its videos.

    predictions of each fold -> an evaluation of each -> the mean of each figure

Scores of different networks have no common scale and are never pooled: a figure is computed within
each fold. The interval of its mean draws the clusters of all folds at once, so that a person or a
source video of several folds counts as often in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.evaluation.aggregation import Units, make_units
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, Interval, percentile_interval, replicate
from unmask.evaluation.composer import evaluate, make_figure, sorted_units
from unmask.evaluation.metrics import Metric, metrics
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.results import Counting, Evaluation, EvaluationSettings, Group
from unmask.evaluation.weightings import Batch, Sorted, Values


@dataclass(frozen=True)
class Folds:
    """The figures of each fold and their means."""

    each: tuple[Evaluation, ...]
    """In the order of the files."""
    means: tuple[Group, ...]
    """Means over the folds of what was analysed and, where something was not, with failures
    counted against the detectors."""

    @property
    def enough(self) -> bool:
        """Whether enough of each fold's videos were analysed."""
        return all(fold.enough for fold in self.each)


def evaluate_folds(
    folds: Sequence[Predictions], settings: EvaluationSettings | None = None
) -> Folds:
    """Evaluate each fold, and take the mean of each figure.

    Args:
        folds: predictions of one detector for each fold, with its own calibration and threshold.
        settings: how.

    Raises:
        ManifestError: two files have a video in common, or nothing of one was analysed.
        ValueError: the settings name something that there is not.
    """
    settings = settings or EvaluationSettings()
    fold_of = _map_folds(folds)
    each = tuple(evaluate(fold, settings) for fold in folds)
    units = make_units(
        _join(folds),
        level=settings.level,
        aggregation=settings.aggregation,
        cluster_by=settings.cluster_by,
    )
    place = np.array([fold_of[video] for video in units.video])
    parts = [units.where(place == number) for number in range(len(folds))]
    means = [_mean("analysed", [part.where(part.scored) for part in parts], each, settings)]
    if not units.scored.all():
        against = [p.failures_against(e.threshold_logit) for p, e in zip(parts, each, strict=True)]
        means.append(_mean("failures count against it", against, each, settings))
    return Folds(each, tuple(means))


def _map_folds(folds: Sequence[Predictions]) -> dict[str, int]:
    """Return the number of each video's fold."""
    numbers: dict[str, int] = {}
    for number, fold in enumerate(folds):
        for video in np.unique(fold.video_id.astype(str)).tolist():
            if numbers.setdefault(video, number) != number:
                raise ManifestError(
                    f"{video!r} is in two of the files, and folds have no video in common",
                    hint="predict each fold by itself, with --fold; `unmask compare` is for two "
                    "detectors on the same videos",
                )
    return numbers


def _join(folds: Sequence[Predictions]) -> Predictions:
    """Return the rows of all folds, to number their clusters together."""
    names = [f.name for f in fields(Predictions) if f.name not in {"info", "words"}]
    columns = {name: np.concatenate([getattr(fold, name) for fold in folds]) for name in names}
    words = {n: np.concatenate([fold.words[n] for fold in folds]) for n in folds[0].words}
    return Predictions(info=folds[0].info, words=words, **columns)


def _mean(
    counting: Counting,
    parts: Sequence[Units],
    each: Sequence[Evaluation],
    settings: EvaluationSettings,
) -> Group:
    """Return the mean of each figure over the folds, given the units of each."""
    known = metrics(settings.costs)
    refusals = {
        metric.name: f"not in each fold: {refusal}"
        for metric in known
        for part in parts
        if (refusal := metric.refusal(reals=part.reals, fakes=part.fakes)) is not None
    }
    computable = [metric for metric in known if metric.name not in refusals]
    ordered = [
        sorted_units(part, fold.info, fold.threshold_logit)
        for part, fold in zip(parts, each, strict=True)
    ]
    cluster = np.concatenate([part.cluster for part in parts])
    values = _means(ordered, np.ones((1, len(cluster))), computable)
    ends = _intervals(ordered, cluster, computable, settings)
    figures_by_name = {name: (float(value[0]), ends.get(name)) for name, value in values.items()}
    clusters = len(np.unique(cluster))
    return Group(
        by="all",
        value="mean of the folds",
        counting=counting,
        reals=sum(part.reals for part in parts),
        fakes=sum(part.fakes for part in parts),
        clusters=clusters,
        figures=tuple(
            make_figure(m, refusals.get(m.name), figures_by_name.get(m.name), clusters)
            for m in known
        ),
    )


def _means(
    folds: Sequence[Sorted], weights: Values, figures: Sequence[Metric]
) -> dict[str, Values]:
    """Return the mean of each figure over the folds under weightings `(B, N)` of all units."""
    ends = np.cumsum([len(fold.logit) for fold in folds])[:-1]
    batches = [
        Batch(fold, part[:, fold.order])
        for fold, part in zip(folds, np.split(weights, ends, axis=1), strict=True)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may take nothing of a fold
        return {f.name: np.mean([f.compute(batch) for batch in batches], axis=0) for f in figures}


def _intervals(
    folds: Sequence[Sorted],
    cluster: NDArray[np.int64],
    figures: Sequence[Metric],
    settings: EvaluationSettings,
) -> dict[str, Interval | None]:
    """Return the interval of each mean; none where there are too few clusters."""
    if len(np.unique(cluster)) < CLUSTERS_NEEDED:
        return {}
    drawn = replicate(
        cluster,
        lambda weights: _means(folds, weights, figures),
        replicates=settings.replicates,
        seed=settings.seed,
    )
    return {name: percentile_interval(values) for name, values in drawn.items()}
