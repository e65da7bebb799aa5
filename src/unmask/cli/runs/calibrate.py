"""Running `unmask calibrate`: the fitted bundle, and what was fitted."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from unmask.bundle.card import rate_text
from unmask.bundle.catalogue import find
from unmask.bundle.manifest import load_bundle
from unmask.cli.runs.evaluation import parse_costs, warn
from unmask.cli.tables import print_table
from unmask.core.errors import InputError
from unmask.evaluation.calibration import calibrate_bundle, validation_rows
from unmask.evaluation.card import save
from unmask.evaluation.composer import store_warnings
from unmask.evaluation.predictions import pool, read_predictions
from unmask.system.remote_files import refuse_address


def run_calibrate(
    paths: Sequence[Path],
    output: Path,
    *,
    detector: str | None,
    all_rows: bool,
    costs: Sequence[str],
    **how: Any,
) -> int:
    """Calibrate a bundle, in its folder or in a copy."""
    matrices = [parse_costs(text) for text in costs]
    refuse_address(output)
    folder = output if detector is None else find(detector)
    copied = folder.resolve() != output.resolve()
    if copied and output.exists():
        raise InputError(f"{str(output)!r} exists", hint="name a new folder for the copy")
    bundle = load_bundle(folder)
    rows = validation_rows(pool([read_predictions(p) for p in paths]), all_rows=all_rows)
    warn(store_warnings(rows.info))
    result = calibrate_bundle(bundle, rows, costs=matrices, **how)
    if copied:
        shutil.copytree(folder, output)
    save(output, result)
    load_bundle(output)
    ratio = result.likelihood
    typer.echo(f"{output}: {result.calibration.method}, on {result.calibration.data}")
    if ratio is not None:
        typer.echo(
            f"log10 likelihood ratios {ratio.log10_lower:.2f} to {ratio.log10_upper:.2f}; "
            f"Cllr {ratio.cllr:.3f}, minimum {ratio.min_cllr:.3f} (cross-validated)"
        )
    columns = ("operating point", "logit", "false positives", "true positives")
    points = [
        (
            p.name,
            f"{p.logit:.3f}",
            rate_text(p.false_positive_rate),
            rate_text(p.true_positive_rate),
        )
        for p in result.operating_points
    ]
    print_table(columns, points)
    if result.words is not None:
        typer.echo(f"words, on {result.words.data}")
        print_table(
            ("word", "of genuine", "of fakes"),
            [(r.word, f"{r.of_genuine:.1%}", f"{r.of_fake:.1%}") for r in result.words.rates],
        )
    if result.abstention is not None:
        typer.echo(
            f"cannot judge: {result.abstention.abstained:.1%}. {result.abstention.guarantee}"
        )
    return 0
