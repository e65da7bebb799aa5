"""From scored crops to what a bundle holds: calibration, operating points, figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.bundle import Calibration, Metric, OperatingPoint

Values = NDArray[np.float64]

_REPLICATES = 1000
_PLATT_STEPS = 60
_PLATT_TOLERANCE = 1e-9
"""Newton's step below which the fit stands still."""
_FEW_FALSE_ALARMS = 0.01


@dataclass(frozen=True, eq=False)
class Scored:
    """Logits of crops with their truth."""

    logits: Values
    """`(N,)`."""
    labels: NDArray[np.int64]
    """`(N,)`, 1 for fake."""
    clusters: NDArray[np.int64]
    """`(N,)` number of the source video: what a bootstrap draws."""


def platt(scored: Scored) -> tuple[float, float]:
    """Fit slope and intercept by Newton's method, both classes weighted alike (even prior odds).

    The targets are Platt's, a little inside 0 and 1, so that classes that a threshold separates
    without an error have a fit too. The logits are standardised first, and a step that raises the
    loss is halved, so that neither their scale nor their offset matters.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999, section 2.2.

    Raises:
        ValueError: a class is missing.
    """
    fake = scored.labels == 1
    fakes, reals = int(fake.sum()), int((~fake).sum())
    if not fakes or not reals:
        raise ValueError("all crops of a draw of source videos are of one class")
    mean, spread = scored.logits.mean(), scored.logits.std()
    x = np.stack([(scored.logits - mean) / spread, np.ones_like(scored.logits)], axis=1)
    target = np.where(fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weights = np.where(fake, 0.5 / fakes, 0.5 / reals)

    def loss(parameters: Values) -> float:
        logit = x @ parameters
        return float(weights @ (np.logaddexp(0, logit) - target * logit))

    parameters = np.zeros(2)
    for _ in range(_PLATT_STEPS):
        p = 1 / (1 + np.exp(-(x @ parameters)))
        gradient = x.T @ (weights * (p - target))
        curvature = (x * (weights * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(curvature, gradient)
        if np.abs(step).max() < _PLATT_TOLERANCE:
            break
        before = loss(parameters)
        while loss(parameters - step) > before:
            step = step / 2
        parameters = parameters - step
    slope = parameters[0] / spread
    return float(slope), float(parameters[1] - slope * mean)


def cluster_draws(scored: Scored, rng: np.random.Generator, replicates: int) -> list[Scored]:
    """Draw source videos with replacement, each with all its crops."""
    names = np.unique(scored.clusters)
    rows = {name: np.flatnonzero(scored.clusters == name) for name in names}
    draws = []
    for _ in range(replicates):
        taken = np.concatenate([rows[n] for n in rng.choice(names, len(names))])
        draws.append(Scored(scored.logits[taken], scored.labels[taken], scored.clusters[taken]))
    return draws


def calibration(scored: Scored, data: str, rng: np.random.Generator) -> Calibration:
    """Fit Platt scaling and the covariance of its parameters by bootstrap over source videos."""
    slope, intercept = platt(scored)
    fits = np.array([platt(draw) for draw in cluster_draws(scored, rng, 200)])
    (a, b), (c, d) = np.cov(fits.T)
    return Calibration(
        slope=slope,
        intercept=intercept,
        covariance=((float(a), float(b)), (float(c), float(d))),
        data=data,
    )


def operating_point(name: str, logit: float, scored: Scored) -> OperatingPoint:
    """Note a threshold and the error rates that it has on the crops it was chosen on."""
    called = scored.logits >= logit
    return OperatingPoint(
        name=name,
        logit=logit,
        false_positive_rate=float(called[scored.labels == 0].mean()),
        true_positive_rate=float(called[scored.labels == 1].mean()),
    )


def operating_points(scored: Scored) -> tuple[OperatingPoint, ...]:
    """Choose `balanced` (equal errors) and `few-false-alarms` (at most 1 % of real crops).

    `few-false-alarms` is the lowest logit with so few, or the highest where none has, and never
    lies below `balanced`: with an equal error rate under 1 % the two are one.
    """
    reals = np.sort(scored.logits[scored.labels == 0])
    candidates = np.unique(scored.logits)
    false_alarms = (len(reals) - np.searchsorted(reals, candidates)) / len(reals)
    fakes = np.sort(scored.logits[scored.labels == 1])
    misses = np.searchsorted(fakes, candidates) / len(fakes)
    equal = int(np.argmin(np.abs(false_alarms - misses)))
    too_many = int((false_alarms > _FEW_FALSE_ALARMS).sum())
    few = max(equal, min(too_many, len(candidates) - 1))
    return (
        operating_point("balanced", float(candidates[equal]), scored),
        operating_point("few-false-alarms", float(candidates[few]), scored),
    )


def metric(name: str, scored: Scored, protocol: str, rng: np.random.Generator) -> Metric:
    """Return the AUC per crop with its interval over source videos."""
    from sklearn.metrics import roc_auc_score

    values = [
        roc_auc_score(draw.labels, draw.logits) for draw in cluster_draws(scored, rng, _REPLICATES)
    ]
    low, high = np.quantile(values, (0.025, 0.975))
    clusters = len(np.unique(scored.clusters))
    return Metric(
        name=name,
        value=round(float(roc_auc_score(scored.labels, scored.logits)), 4),
        interval=(round(float(low), 4), round(float(high), 4)),
        protocol=f"{protocol}; n = {len(scored.labels)} crops, "
        f"95 % bootstrap over {clusters} source videos",
    )
