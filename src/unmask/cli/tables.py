"""Plain tables and long lists on standard output, the same for all commands on data sets."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from unmask.core.text import one_line

_CELL = 200
"""Most characters of a cell."""
SHOWN = 10
"""Entries of a long list that are printed."""


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; columns of numbers are aligned to the right."""
    cells = [tuple(header), *(tuple(one_line(cell, _CELL) for cell in row) for row in rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(cell.isdecimal() for cell in column[1:]) for column in columns]
    for row in cells:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        typer.echo("  ".join(aligned).rstrip())


def print_some(title: str, entries: Sequence[str]) -> None:
    """Print how many entries there are and the first of them; nothing where there are none."""
    if not entries:
        return
    typer.echo(f"{title}: {len(entries)}")
    for entry in entries[:SHOWN]:
        typer.echo(f"  {one_line(entry)}")
    if len(entries) > SHOWN:
        typer.echo(f"  ... and {len(entries) - SHOWN} more")
