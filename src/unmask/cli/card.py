"""`unmask card`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import Aggregation, Level


def card(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(help="Predictions of it, to measure anew.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only rows of this split.", show_default="test where there is, or all"),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write it into the bundle.")] = False,
    level: Level = "video",
    aggregation: Aggregation = "mean",
) -> None:
    """Print a detector's model card, from measured figures only.

    Figures are of the calibration and the operating points that the detector has now.
    """
    from unmask.cli.runs.card import run_card

    raise typer.Exit(
        run_card(
            detector,
            predictions or [],
            split=split,
            write=write,
            level=level,
            aggregation=aggregation,
        )
    )
