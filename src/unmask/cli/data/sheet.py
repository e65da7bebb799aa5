"""`unmask data sheet`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.data.crops import Store


def sheet(
    store: Store,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG to write.")],
    count: Annotated[int, typer.Option(min=1, help="Most crops shown.")] = 48,
    label: Annotated[str | None, typer.Option(help="Only real, or only fake.")] = None,
    method: Annotated[str | None, typer.Option(help="Only this manipulation method.")] = None,
) -> None:
    """Draw a contact sheet of crops, chosen evenly over the videos."""
    from unmask.cli.runs.sheet import run_sheet

    raise typer.Exit(run_sheet(store, output, count=count, label=label, method=method))
