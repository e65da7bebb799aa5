"""`unmask data stats`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.data.crops import Store


def stats(
    store: Store,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write the counts as a PNG.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every shard and compare it with its hash.")
    ] = False,
) -> None:
    """Count crops per label, method, split and compression.

    With the imbalance, face sizes and coverage.
    """
    from unmask.cli.runs.stats import run_stats

    raise typer.Exit(run_stats(store, as_json=json, plot_to=plot, verify=verify))
