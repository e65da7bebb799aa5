"""`unmask compare`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import (
    Aggregation,
    Cluster,
    Level,
    MinCoverage,
    Predictions,
    Replicates,
    Seed,
    Threshold,
)
from unmask.core.settings import REPLICATES


def compare(  # noqa: PLR0917 - the parameters are the options
    first: Predictions,
    second: Annotated[
        Path, typer.Argument(help="Predictions of another detector on the same videos.")
    ],
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    threshold: Threshold = "balanced",
    replicates: Replicates = REPLICATES,
    seed: Seed = 0,
    min_coverage: MinCoverage = 0.95,
) -> None:
    """Compare two detectors on the same videos.

    The difference of each figure has an interval by paired draws of clusters; DeLong's and
    McNemar's tests are given where there is one unit per cluster. Videos that only one of them
    analysed count against the other.
    """
    from unmask.cli.runs.compare import run_compare
    from unmask.cli.runs.evaluation import read_settings

    settings = read_settings(
        level=level,
        aggregation=aggregation,
        cluster_by=cluster,
        threshold=threshold,
        replicates=replicates,
        seed=seed,
        min_coverage=min_coverage,
    )
    raise typer.Exit(run_compare(first, second, settings))
