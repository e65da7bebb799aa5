"""How fast intervals are made, and how often they hold the truth.

    python -m benchmarks.bootstrap speed
    python -m benchmarks.bootstrap coverage --trials 1000

`coverage` draws data sets of known AUC, whose units share clusters, and counts how often the 95 %
interval over clusters holds it; beside it the interval that takes frames for independent.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.bootstrap import intervals
from unmask.evaluation.metrics import metrics
from unmask.evaluation.weightings import Sorted

SPREAD_OF_CLUSTERS = 1.0
SPREAD_OF_UNITS = 1.0
SHIFT = 1.5


def draw(
    rng: np.random.Generator, clusters: int, units: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Draw scores: each cluster has one label and a centre of its own."""
    cluster = np.repeat(np.arange(clusters), units)
    is_fake = cluster % 2 == 1
    centre = rng.normal(0, SPREAD_OF_CLUSTERS, clusters)[cluster]
    logit = centre + rng.normal(0, SPREAD_OF_UNITS, len(cluster)) + SHIFT * is_fake
    return logit, is_fake, cluster


def true_auc() -> float:
    """Return P(fake > real) of the distributions that `draw` draws from."""
    spread = math.sqrt(2 * (SPREAD_OF_CLUSTERS**2 + SPREAD_OF_UNITS**2))
    return 0.5 * (1 + math.erf(SHIFT / spread / math.sqrt(2)))


def covered(*, trials: int, clusters: int, units: int, replicates: int, frames: bool) -> float:
    """Return the share of trials whose interval of the AUC holds the truth.

    Args:
        trials: data sets drawn.
        clusters: in each.
        units: in each cluster.
        replicates: of each interval.
        frames: whether to draw single units and not clusters.
    """
    (auc,) = (metric for metric in metrics() if metric.name == "AUC")
    held = 0
    for trial in range(trials):
        logit, is_fake, cluster = draw(np.random.default_rng(trial), clusters, units)
        drawn_by = np.arange(len(logit)) if frames else cluster
        ordered = Sorted.of(logit, is_fake, log_odds=logit, threshold=0.0)
        result = intervals(ordered, drawn_by, [auc], replicates=replicates, seed=trial)["AUC"]
        held += result is not None and result.low <= true_auc() <= result.high
    return held / trials


def speed(rows: int = 100_000, replicates: int = 2000) -> None:
    """Time the intervals of one and of all figures."""
    logit, is_fake, cluster = draw(np.random.default_rng(0), rows // 50, 50)
    ordered = Sorted.of(logit, is_fake, log_odds=logit, threshold=0.0)
    for name, figures in (("AUC", metrics()[:1]), ("all figures", metrics())):
        start, busy = time.perf_counter(), time.process_time()
        intervals(ordered, cluster, figures, replicates=replicates)
        seconds = time.perf_counter() - start
        busy = time.process_time() - busy
        print(f"{name}: {replicates} x {rows} rows in {seconds:.1f} s, {busy:.1f} s of a core")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "coverage"))
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args()
    if options.what == "speed":
        speed()
        return
    for clusters in (50, 100, 200):
        by_cluster, by_frame = (
            covered(trials=options.trials, clusters=clusters, units=8, replicates=500, frames=f)
            for f in (False, True)
        )
        print(f"{clusters} clusters: over clusters {by_cluster:.1%}, over frames {by_frame:.1%}")


if __name__ == "__main__":
    main()
