"""What is printed of a bundle while it is written, and afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unmask.bundle.manifest import Bundle, Metric, OperatingPoint, Parity


def print_step(step: str) -> None:
    """Print a step of the export to standard error."""
    sys.stderr.write(f"{step} ...\n")


def print_bundle(bundle: Bundle) -> None:
    """Print what was written, how exact it is and how it judges."""
    if bundle.manifest.parity is not None:
        typer.echo(_describe_parity(bundle.manifest.parity))
    print_figures(bundle.manifest.metrics)
    if (quantised := bundle.manifest.quantised) is not None:
        typer.echo(
            f"int8: AUC {quantised.auc_int8:.4f}, float32 {quantised.auc_float32:.4f}, "
            f"on {quantised.crops}"
        )
    for point in bundle.manifest.operating_points:
        typer.echo(_describe_point(point))
    typer.echo(f"bundle written to {bundle.folder}")


def _describe_point(point: OperatingPoint) -> str:
    rates = (point.false_positive_rate, point.true_positive_rate)
    where = f"operating point {point.name}: logit {point.logit:.3f}"
    if rates[0] is None or rates[1] is None:
        return f"{where}, not measured"
    return f"{where}, there {rates[0]:.1%} of real and {rates[1]:.1%} of fake crops are called fake"


def print_figures(figures: Sequence[Metric]) -> None:
    """Print measured figures with their intervals, or that there is none."""
    if not figures:
        typer.echo("no AUC: no crops with labels, or too few source videos; the card says so")
    for figure in figures:
        low, high = figure.interval
        typer.echo(
            f"{figure.name}: {figure.value:.4f} ({low:.4f} to {high:.4f}), {figure.protocol}"
        )


def _describe_parity(parity: Parity) -> str:
    errors = parity.model_dump(exclude={"crops", "source"}, exclude_none=True)
    text = ", ".join(f"{name} {value:.1e}" for name, value in errors.items())
    note = "" if parity.input_gradient is None else " (on three quarters of these crops)"
    return f"ONNX Runtime against {parity.source} on {parity.crops}, in float32: {text}{note}"


def _describe_files(bundle: Bundle) -> str:
    """List the files with size and hash, as a section of the card."""
    rows = [
        f"| {file} | {(bundle.folder / file).stat().st_size:,} | {sha256} |"
        for file, sha256 in bundle.manifest.files.items()
    ]
    head = ["", "## Files", "", "| file | bytes | SHA-256 |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])
