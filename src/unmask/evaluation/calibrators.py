"""Calibrators by name: from logits and labels to log odds at even prior odds.

Each is a monotone curve with a slope and an intercept, the form that a bundle holds. The method is
the simplest that is not clearly worse than the best, by log loss on clusters that it was not fitted
on. Needs scikit-learn (extras `evaluation` and `train`).

Sources: Platt (1999), with his smoothed targets; temperature: Guo et al. (2017); isotonic: Zadrozny
& Elkan (2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Calibration
from unmask.evaluation.bootstrap import draws
from unmask.evaluation.weightings import Values

Method = Literal["temperature", "platt", "isotonic"]
Labels = NDArray[np.bool_]

FOLDS = 5
"""Parts that clusters are divided into to choose the method."""
_FITS = 200
"""Refits for the covariance."""
_CLEAR = 1.96
"""Standard errors that a loss must lie above another to be clearly higher."""
_PURE = 1e-9
"""A share of fakes as near as this to 0 or 1 is of one label alone."""


@dataclass(frozen=True)
class Fit:
    """A fitted calibrator: log odds = slope * curve(logit) + intercept."""

    slope: float
    """Factor."""
    intercept: float
    """Offset."""
    knots: tuple[tuple[float, float], ...] = ()
    """The curve; empty where it is the logit itself."""

    def calibration(
        self, method: Method, covariance: NDArray[np.float64] | None = None, **data: str | None
    ) -> Calibration:
        """Return it as a bundle holds it."""
        known = np.zeros((2, 2)) if covariance is None else covariance
        return Calibration.model_validate(
            {
                "method": method,
                "slope": self.slope,
                "intercept": self.intercept,
                "knots": self.knots,
                "covariance": known.tolist(),
                "data": "",
                **data,
            }
        )


def balance_weights(is_fake: Labels, weights: Values) -> Values:
    """Return weights under which both labels count the same in all, one a unit on average."""
    of_fakes = weights[is_fake].sum()
    of_reals = weights[~is_fake].sum()
    total = of_fakes + of_reals
    return np.asarray(weights * np.where(is_fake, total / (2 * of_fakes), total / (2 * of_reals)))


def _logistic(x: Values, is_fake: Labels, weights: Values, *, offset: bool) -> tuple[float, float]:
    """Fit by maximum likelihood; each unit also counts a little as the other label (Platt)."""
    from sklearn.linear_model import LogisticRegression

    fakes, reals = weights[is_fake].sum(), weights[~is_fake].sum()
    other = np.where(is_fake, 1 / (fakes + 2), 1 / (reals + 2))
    even = balance_weights(is_fake, weights)
    model = LogisticRegression(C=np.inf, fit_intercept=offset, tol=1e-6, max_iter=500)
    model.fit(
        np.concatenate([x, x])[:, None],
        np.concatenate([is_fake, ~is_fake]),
        sample_weight=np.concatenate([even * (1 - other), even * other]),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0]) if offset else 0.0


def fit_temperature(x: Values, is_fake: Labels, weights: Values) -> Fit:
    """Fit one factor."""
    return Fit(*_logistic(x, is_fake, weights, offset=False))


def fit_platt(x: Values, is_fake: Labels, weights: Values) -> Fit:
    """Fit a factor and an offset."""
    return Fit(*_logistic(x, is_fake, weights, offset=True))


def fit_isotonic(x: Values, is_fake: Labels, weights: Values) -> Fit:
    """Fit any rising curve; a step of one label alone counts one unit of the other label.

    Without that unit the ends would be certain; with it they are as far from certainty as the
    number of units in them says.
    """
    from sklearn.isotonic import IsotonicRegression

    even = balance_weights(is_fake, weights)
    one_fake = even[is_fake].sum() / weights[is_fake].sum()
    one_real = even[~is_fake].sum() / weights[~is_fake].sum()
    model = IsotonicRegression()
    fitted = model.fit_transform(x, is_fake.astype(np.float64), sample_weight=even)
    all_fake = even[fitted > 1 - _PURE].sum()
    all_real = even[fitted < _PURE].sum()
    share = model.y_thresholds_
    mixed = share[(share >= _PURE) & (share <= 1 - _PURE)].tolist()
    low = min([one_fake / (one_fake + all_real), *mixed])
    high = max([all_fake / (all_fake + one_real), *mixed])
    share = np.clip(share, low, high)
    odds = np.maximum.accumulate(np.log(share / (1 - share)))
    pairs = zip(model.X_thresholds_.tolist(), odds.tolist(), strict=True)
    return Fit(1.0, 0.0, tuple(pairs))


CALIBRATORS: dict[Method, Callable[[Values, Labels, Values], Fit]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""Fits by name, the simplest first; each takes logits, labels and weights."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The simplest calibrator among the best on clusters that they were not fitted on."""

    method: Method
    """Its name."""
    fit: Fit
    """Fitted on all units."""
    losses: dict[Method, float]
    """Cross-validated log loss of each method at even prior odds, nats."""
    held_out: Values
    """`(N,)` log odds of each unit by the chosen method fitted without the unit's cluster."""


def assign_folds(cluster: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Return the fold of each unit; units of one cluster share theirs."""
    numbers, position = np.unique(cluster, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    return np.asarray((order % FOLDS)[position], dtype=np.int64)


def choose(x: Values, is_fake: Labels, cluster: NDArray[np.int64], *, seed: int = 0) -> Chosen:
    """Choose by cross-validated log loss the simplest calibrator that is not clearly worse.

    Args:
        x: `(N,)` logits.
        is_fake: `(N,)` labels.
        cluster: `(N,)` number of each unit's cluster.
        seed: of the folds.

    Raises:
        ValueError: a label is missing from a fold's complement.
    """
    fold = assign_folds(cluster, seed=seed)
    ones = np.ones(len(x))
    held_out: dict[Method, Values] = {}
    for method, fit in CALIBRATORS.items():
        odds = np.empty(len(x))
        for number in range(FOLDS):
            inside = fold == number
            if len(set(is_fake[~inside])) < 2:
                raise ValueError("too few clusters to choose a calibration by cross-validation")
            calibration = fit(x[~inside], is_fake[~inside], ones[~inside]).calibration(method)
            odds[inside] = calibration.log_odds(x[inside])
        held_out[method] = odds
    parts = {m: _losses_of_clusters(odds, is_fake, cluster) for m, odds in held_out.items()}
    losses = {method: float(part.sum()) for method, part in parts.items()}
    best = parts[min(losses, key=lambda method: losses[method])]
    simplest = next(m for m, part in parts.items() if _distance(part, best) <= _CLEAR)
    return Chosen(simplest, CALIBRATORS[simplest](x, is_fake, ones), losses, held_out[simplest])


def _losses_of_clusters(
    log_odds: Values, is_fake: Labels, cluster: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what each cluster adds to the log loss at even prior odds, `(C,)`.

    Their sum is the mean negative log probability of the truth, both labels counting the same.
    """
    share = np.where(is_fake, 0.5 / is_fake.sum(), 0.5 / (~is_fake).sum())
    loss = share * np.logaddexp(0, np.where(is_fake, -log_odds, log_odds))
    return np.asarray(np.bincount(np.unique(cluster, return_inverse=True)[1], loss), np.float64)


def _distance(part: Values, best: Values) -> float:
    """Return how many standard errors a method's loss lies above the best one's."""
    more = part - best
    error = float(np.sqrt((more**2).sum()))
    return float(more.sum()) / error if error else 0.0


def estimate_covariance(
    method: Method,
    fit: Fit,
    x: Values,
    is_fake: Labels,
    cluster: NDArray[np.int64],
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the covariance of slope and intercept over draws of clusters, `(2, 2)`.

    The curve of `isotonic` is held, and a factor and an offset on top of it are refitted. Draws of
    one label alone are left out.

    Args:
        method: name of the calibrator.
        fit: what it made of all units.
        x: `(N,)` logits.
        is_fake: `(N,)` labels.
        cluster: `(N,)` number of each unit's cluster.
        seed: of the draws.
    """
    curve = fit.calibration(method).curve(x)
    refit = fit_temperature if method == "temperature" else fit_platt
    fits = []
    for weights in draws(cluster, replicates=_FITS, seed=seed, rows=1):
        drawn = weights[0] > 0
        if len(set(is_fake[drawn])) == 2:
            again = refit(curve[drawn], is_fake[drawn], weights[0][drawn])
            fits.append((again.slope, again.intercept))
    return np.asarray(np.cov(np.array(fits).T))
