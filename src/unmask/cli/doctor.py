"""`unmask doctor`."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Show versions, models, and how to get what is missing."""
    from unmask.cli.runs.doctor import run_doctor

    raise typer.Exit(run_doctor())
