"""`unmask calibrate`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import Aggregation, Cluster, Level, Seed


def calibrate(  # noqa: PLR0917 - the parameters are the options
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="Predictions of this detector; with several files each is a source of its own, "
            "left out in turn to measure the words of verdicts.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the detector; with --detector, a new folder.",
            show_default=False,
        ),
    ],
    detector: Annotated[
        str | None,
        typer.Option(
            help="Detector to copy to a new folder: a folder, or a name of `detectors list`.",
            show_default=False,
        ),
    ] = None,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="All rows are validation data, split or not.")
    ] = False,
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    cost: Annotated[
        list[str] | None,
        typer.Option(help="FALSE-ALARM:MISS: another operating point; may be repeated."),
    ] = None,
    error_rate: Annotated[
        float, typer.Option(help="Of abstention: how often a true label may be ruled out.")
    ] = 0.05,
    refuse_outside: Annotated[
        bool,
        typer.Option(
            "--refuse-outside",
            help="A scan refuses faces smaller or more blurred than these.",
        ),
    ] = False,
    seed: Seed = 0,
) -> None:
    """Calibrate a detector on validation predictions.

    Fits probabilities, bounds of likelihood ratios, abstention and operating points, and writes
    them into the bundle with the data they came from.
    """
    from unmask.cli.runs.calibrate import run_calibrate

    raise typer.Exit(
        run_calibrate(
            predictions,
            output,
            detector=detector,
            all_rows=all_rows,
            level=level,
            aggregation=aggregation,
            cluster_by=cluster,
            costs=cost or [],
            error_rate=error_rate,
            refuse_outside=refuse_outside,
            seed=seed,
        )
    )
