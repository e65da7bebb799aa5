"""`unmask stress`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import Aggregation, Cluster, Level, Replicates, Seed
from unmask.core.settings import REPLICATES

STRESS_CODES = "Exit codes: 0 done; 2 wrong use or bad input; 3 some crops could not be decoded."


def stress(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    crops: Annotated[
        Path,
        typer.Argument(
            help="A crop store, or a Parquet file with the columns name, label and image.",
            show_default=False,
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write all scores as Parquet.", show_default=False),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this distortion, such as JPEG; may be repeated."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Most crops, drawn evenly from reals and fakes.")
    ] = 1000,
    split: Annotated[
        str | None, typer.Option(help="Only train, validation or test.", show_default="all")
    ] = None,
    level: Level = "video",
    aggregation: Aggregation = "mean",
    cluster: Cluster = "source-video",
    replicates: Replicates = REPLICATES,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
) -> None:
    """Measure a detector under compression, blur and more.

    Every crop is scored as it is and under each distortion and level: H.264, JPEG, down-scaling,
    blur, skin smoothing, noise, brightness, crop shift, horizontal flip, and sharing on social
    media.
    """
    from unmask.cli.runs.stress import StressOutputs, read_settings, run_stress

    settings = read_settings(
        only,
        level=level,
        aggregation=aggregation,
        cluster=cluster,
        replicates=replicates,
        seed=seed,
    )
    outputs = StressOutputs(report=report, scores=output)
    raise typer.Exit(
        run_stress(detector, crops, settings, outputs, limit=limit, split=split, threads=threads)
    )
