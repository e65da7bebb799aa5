"""Abstention with a guarantee: a label is ruled out only where it rarely scores like this.

For each label, its calibration scores are ranked with the new one. If all of them could have come
in any order, a label that is ruled out beyond its k-th most extreme score is ruled out wrongly with
probability k / (n + 1) at most, whatever the scores' distribution.

Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World (2005), label-conditional.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Abstention
from unmask.evaluation.weightings import Values
from unmask.scanner.likelihood import answer

GUARANTEE = (
    "For a new {level} drawn like the calibration data, its true label is ruled out with "
    "probability {rate:.0%} at most, for reals and for fakes each. Not promised for other "
    "manipulation methods, cameras or compressions, nor for the {level}s of one source together, "
    "nor among only those that are judged."
)
"""What is promised."""


def one_of_each(
    cluster: NDArray[np.int64], is_fake: NDArray[np.bool_], *, seed: int
) -> NDArray[np.int64]:
    """Return positions of one unit of each label in each cluster: units that share no source."""
    order = np.random.default_rng(seed).permutation(len(cluster))
    keys = cluster[order] * 2 + is_fake[order]
    return np.sort(order[np.unique(keys, return_index=True)[1]])


def fit_abstention(
    logit: Values,
    is_fake: NDArray[np.bool_],
    cluster: NDArray[np.int64],
    *,
    level: str,
    data: str,
    error_rate: float = 0.05,
    seed: int = 0,
) -> Abstention:
    """Find beyond which logits each label is ruled out.

    Args:
        logit: `(N,)` scores.
        is_fake: `(N,)` labels.
        cluster: `(N,)` number of each unit's cluster.
        level: what a unit is, for the guarantee's words.
        data: what the units are.
        error_rate: most often that the true label is ruled out.
        seed: of the choice of one unit per cluster and label.
    """
    taken = one_of_each(cluster, is_fake, seed=seed)
    scores, fake = logit[taken], is_fake[taken]
    below = _kth_smallest(scores[fake], error_rate)
    above = _kth_smallest(-scores[~fake], error_rate)
    abstention = Abstention(
        error_rate=error_rate,
        fake_excluded_below=below,
        real_excluded_above=None if above is None else -above,
        abstained=0.0,
        guarantee=GUARANTEE.format(level=level, rate=error_rate),
        data=f"{fake.sum()} fakes and {(~fake).sum()} reals, one a source each, of {data}",
    )
    unsure = np.mean([answer(float(score), abstention) == "cannot judge" for score in logit])
    return abstention.model_copy(update={"abstained": float(unsure)})


def _kth_smallest(scores: Values, error_rate: float) -> float | None:
    """Return the score that the guarantee allows to rule out below; None: too few scores."""
    k = math.floor(error_rate * (len(scores) + 1))
    return float(np.sort(scores)[k - 1]) if k >= 1 else None
