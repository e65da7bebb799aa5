"""`unmask scores`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.evaluation_options import Output


def scores(  # noqa: PLR0917 - the parameters are the options
    table: Annotated[
        Path, typer.Argument(help="A CSV file of another program's scores.", show_default=False)
    ],
    columns: Annotated[
        str,
        typer.Option(
            help="OURS=THEIRS,...: video_id, label, logit or probability, and method, target, "
            "identities, split, compression, track, frame_index, face_px, status, reason.",
            show_default=False,
        ),
    ],
    detector: Annotated[str, typer.Option(help="Name of the program.", show_default=False)],
    output: Output,
    data: Annotated[str, typer.Option(help="Name of the data.")] = "not named",
    licence: Annotated[str, typer.Option(help="Terms of the data.")] = "not known",
    protocol: Annotated[
        str | None, typer.Option(help="How splits were made.", show_default=False)
    ] = None,
    leaks: Annotated[
        str | None,
        typer.Option(help="Why the protocol leaks, if it does.", show_default=False),
    ] = None,
) -> None:
    """Turn another program's scores into a predictions file."""
    from unmask.cli.runs.scores import run_scores

    facts = {
        "detector": detector,
        "data": data,
        "licence": licence,
        "protocol": protocol,
        "leaks": leaks is not None,
        "leak_reason": leaks,
    }
    raise typer.Exit(run_scores(table, columns, output, facts))
