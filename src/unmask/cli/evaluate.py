"""`unmask evaluate`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import (
    Aggregation,
    Cluster,
    Level,
    MinCoverage,
    Replicates,
    Seed,
    Threshold,
)
from unmask.core.settings import REPLICATES


def evaluate(  # noqa: PLR0917 - the parameters are the options
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="A predictions file, or several of other videos: those of one detector are "
            "pooled, folds are not.",
            show_default=False,
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page.", show_default=False)
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures as JSON; - prints it.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Print tables as markdown or latex.", show_default=False)
    ] = None,
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    threshold: Threshold = "balanced",
    cost: Annotated[
        str, typer.Option(help="FALSE-ALARM:MISS, what each costs, for `expected cost`.")
    ] = "1:1",
    prior: Annotated[float, typer.Option(help="Share of fakes in use, for the same.")] = 0.5,
    split: Annotated[
        str | None, typer.Option(help="Only rows of this split.", show_default="all")
    ] = None,
    replicates: Replicates = REPLICATES,
    seed: Seed = 0,
    min_coverage: MinCoverage = 0.95,
) -> None:
    """Compute figures with intervals; write a page.

    Intervals draw source videos or persons, never frames. Failures are left out and, beside that,
    counted against the detector. Files of one detector are pooled. Of folds the figures of each and
    their means are given; scores of different networks are not pooled.
    """
    from unmask.cli.runs.evaluate import EvaluateOutputs, run_evaluate
    from unmask.cli.runs.evaluate_folds import run_folds
    from unmask.cli.runs.evaluation import read_settings
    from unmask.evaluation.pooling import are_shards
    from unmask.evaluation.predictions import read_predictions

    settings = read_settings(
        level=level,
        aggregation=aggregation,
        cluster_by=cluster,
        threshold=threshold,
        cost=cost,
        prior=prior,
        replicates=replicates,
        seed=seed,
        min_coverage=min_coverage,
    )
    outputs = EvaluateOutputs(report=report, json=json, table=table)
    outputs.check(predictions)
    parts = [read_predictions(path) for path in predictions]
    if len(parts) == 1 or are_shards(parts):
        raise typer.Exit(run_evaluate(parts, settings, outputs, split=split))
    raise typer.Exit(run_folds(predictions, settings, outputs, split=split))
