"""Running `unmask compare`: differences with intervals and tests."""

from __future__ import annotations

from pathlib import Path

import typer

from unmask.cli.tables import print_table
from unmask.core.text import visible
from unmask.evaluation.comparison import Comparison
from unmask.evaluation.comparison import compare as compare_predictions
from unmask.evaluation.predictions import read_predictions
from unmask.evaluation.results import EvaluationSettings
from unmask.report.wording import leak_mark


def run_compare(first: Path, second: Path, settings: EvaluationSettings) -> int:
    """Compare, print; 3 where too little was analysed."""
    result = compare_predictions(read_predictions(first), read_predictions(second), settings)
    mark = leak_mark(leaks=result.leaks)
    one, other = (visible(name) for name in result.detectors)
    typer.echo(f"first: {one}, second: {other}")
    typer.echo(
        f"{result.reals} real, {result.fakes} fake {settings.level}s, {result.clusters} clusters; "
        f"not analysed, counted against it: {result.failures[0]} and {result.failures[1]}\n"
    )
    rows = [
        (
            d.name,
            f"{d.first:.3f}{mark}",
            f"{d.second:.3f}{mark}",
            f"{d.difference:+.3f}{mark}",
            "-" if d.interval is None else f"[{d.interval.low:+.3f}, {d.interval.high:+.3f}]",
            "-" if d.p_value is None else f"{d.p_value:.4f}",
        )
        for d in result.differences
    ]
    print_table(("figure", "first", "second", "difference", "95 % interval", "p"), rows)
    _print_tests(result)
    return 0 if result.enough(settings.min_coverage) else 3


def _print_tests(comparison: Comparison) -> None:
    typer.echo()
    if comparison.delong is None or comparison.mcnemar is None:
        typer.echo(
            "DeLong, McNemar: not given, as units share clusters; the intervals above hold for that"
        )
        return
    test = comparison.delong
    mark = leak_mark(leaks=comparison.leaks)
    typer.echo(
        f"DeLong: difference of AUC {test.difference:+.4f} "
        f"[{test.interval.low:+.4f}, {test.interval.high:+.4f}], p = {test.p_value:.4f}{mark}"
    )
    typer.echo(
        f"McNemar: only the first right {comparison.mcnemar.only_first_right}, only the second "
        f"{comparison.mcnemar.only_second_right}, p = {comparison.mcnemar.p_value:.4f}{mark}"
    )
