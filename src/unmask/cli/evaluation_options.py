"""Options that the commands of evaluation share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Predictions = Annotated[Path, typer.Argument(help="A predictions file.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to.", show_default=False)]
Level = Annotated[str, typer.Option(help="What is counted: crop, track or video.")]
Aggregation = Annotated[
    str,
    typer.Option(
        help="How crops become one score: mean, median, max-track, confident-mean or top-3."
    ),
]
Cluster = Annotated[str, typer.Option(help="What intervals draw: source-video, identity or video.")]
Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Replicates = Annotated[int, typer.Option(min=1, help="Draws of an interval.")]
Threshold = Annotated[
    str, typer.Option(help="Name of an operating point of the detector, or a logit.")
]
MinCoverage = Annotated[
    float, typer.Option(min=0, max=1, help="Least share of videos; with less the exit code is 3.")
]
EXIT_COVERAGE = "Exit codes: 0 done; 2 wrong use or bad input; 3 too little could be analysed."
