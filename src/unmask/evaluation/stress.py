"""Does a detector still tell reals from fakes after compression, scaling, blur and the like?

    logits under all conditions -> AUC, shift of the logit, changed decisions

The crops as they are have been compressed before, which nothing here undoes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.aggregation import Units, make_units
from unmask.evaluation.bootstrap import Interval, intervals
from unmask.evaluation.composer import train_warnings
from unmask.evaluation.distorted_scores import Scores, StressSettings
from unmask.evaluation.metrics import metrics
from unmask.evaluation.predictions import PredictionsInfo
from unmask.evaluation.weightings import Sorted
from unmask.scanner.distortions import AS_THEY_ARE, Condition


@dataclass(frozen=True)
class Outcome:
    """What a condition does to a detector."""

    condition: Condition
    """What was done."""
    auc: float | None
    """AUC; None where one of the labels is missing."""
    interval: Interval | None
    """Of the AUC, 95 % over clusters; None where there are too few."""
    shift_real: float | None
    """Mean change of a real's logit; None where there are none."""
    shift_fake: float | None
    """Mean change of a fake's logit."""
    changed: float
    """Share of units on the other side of the detector's threshold `balanced`."""


@dataclass(frozen=True)
class Stress:
    """A detector under stress."""

    info: PredictionsInfo
    """Detector, data, protocol."""
    settings: StressSettings
    """How it was counted."""
    reals: int
    """Real units."""
    fakes: int
    """Fake units."""
    clusters: int
    """Clusters that intervals draw."""
    unreadable: int
    """Crops that could not be decoded."""
    warnings: tuple[str, ...]
    """What a reader must know first."""
    outcomes: tuple[Outcome, ...]
    """The crops as they are first, then each condition."""

    @property
    def plain(self) -> Outcome:
        """The crops as they are."""
        return self.outcomes[0]

    def of(self, distortion: str) -> dict[float | None, Outcome]:
        """Return the outcomes of a distortion by level, the crops as they are under None."""
        outcomes = (o for o in self.outcomes if o.condition.distortion in {distortion, AS_THEY_ARE})
        return {outcome.condition.level: outcome for outcome in outcomes}


def compute_outcomes(scores: Scores, settings: StressSettings, *, threshold: float) -> Stress:
    """Count what every condition does.

    Args:
        scores: of `score_distorted`.
        settings: what is counted.
        threshold: logit at or above which a unit is called fake.
    """
    each = [
        make_units(
            replace(scores.predictions, logit=logits),
            level=settings.level,
            aggregation=settings.aggregation,
            cluster_by=settings.cluster_by,
        )
        for logits in scores.logits
    ]
    plain = each[0]
    return Stress(
        info=scores.predictions.info,
        settings=settings,
        reals=plain.reals,
        fakes=plain.fakes,
        clusters=plain.clusters,
        unreadable=scores.unreadable,
        warnings=train_warnings(scores.predictions.words["split"]),
        outcomes=tuple(
            _outcome(condition, plain, units, settings, threshold)
            for condition, units in zip(scores.conditions, each, strict=True)
        ),
    )


def _outcome(
    condition: Condition, plain: Units, units: Units, settings: StressSettings, threshold: float
) -> Outcome:
    shift = units.logit - plain.logit
    auc, interval = _auc(units, settings, threshold)
    return Outcome(
        condition=condition,
        auc=auc,
        interval=interval,
        shift_real=_mean(shift[~units.is_fake]),
        shift_fake=_mean(shift[units.is_fake]),
        changed=float(((units.logit >= threshold) != (plain.logit >= threshold)).mean()),
    )


def _auc(
    units: Units, settings: StressSettings, threshold: float
) -> tuple[float | None, Interval | None]:
    if not units.reals or not units.fakes:
        return None, None
    figure = next(metric for metric in metrics() if metric.name == "AUC")
    batch = Sorted.of(units.logit, units.is_fake, log_odds=units.logit, threshold=threshold)
    drawn = intervals(
        batch, units.cluster, [figure], replicates=settings.replicates, seed=settings.seed
    )
    return float(figure.compute(batch.plain())[0]), drawn["AUC"]


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
