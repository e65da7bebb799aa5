"""Running `evaluate` on several predictions files: the figures of each fold and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from unmask.cli.data.tables import print_table
from unmask.cli.evaluation_run import (
    EvaluateOutputs,
    as_json,
    of_split,
    split_named,
    stand,
    warn,
    write_json,
)
from unmask.evaluation.folds import Folds, evaluate_folds
from unmask.evaluation.predictions import read_predictions
from unmask.evaluation.results import EVALUATION_VERSION, EvaluationSettings
from unmask.evaluation.tables import number
from unmask.report.wording import leak_mark, visible


def run_folds(
    paths: Sequence[Path],
    settings: EvaluationSettings,
    outputs: EvaluateOutputs,
    *,
    split: str | None,
) -> int:
    """Evaluate folds, print and write; 3 where too little of one was analysed."""
    if outputs.report is not None or outputs.table is not None:
        raise ValueError(
            "--report and --table take one predictions file; for folds there is --json"
        )
    outputs.check(paths)
    wanted = split_named(split)
    found = evaluate_folds([of_split(read_predictions(p), wanted) for p in paths], settings)
    warn(dict.fromkeys(warning for fold in found.each for warning in fold.warnings))
    if outputs.json is not None:
        folds = [as_json(fold) for fold in found.each]
        means = [asdict(mean) for mean in found.means]
        write_json({"version": EVALUATION_VERSION, "folds": folds, "means": means}, outputs.json)
    if outputs.json != Path("-"):
        _print([visible(path.stem) for path in paths], found)
    return 0 if found.enough else 3


def _print(names: Sequence[str], found: Folds) -> None:
    first, mean = found.each[0], found.means[0]
    for name, fold in zip(names, found.each, strict=True):
        typer.echo(f"{name}: {visible(fold.info.detector)} on {visible(fold.info.data)}")
        typer.echo(f"  {stand(fold.coverage)} ({fold.coverage.share:.1%} analysed)")
    mark = leak_mark(leaks=any(fold.info.leaks for fold in found.each))
    typer.echo(f"protocol: {visible(first.info.protocol or 'not split')}{mark}")
    typer.echo(
        f"{mean.reals} real, {mean.fakes} fake {first.settings.level}s; intervals of the means "
        f"over {mean.clusters} clusters ({first.settings.cluster_by})\n"
    )
    rows = []
    for figure in mean.figures:
        single = [number(fold.overall.figure(figure.name), fold).value for fold in found.each]
        means = [number(each.figure(figure.name), first).text for each in found.means]
        rows.append((figure.name, *(n + mark for n in (*single, *means)), figure.reason or ""))
    columns = [f"mean, {each.counting}" for each in found.means]
    print_table(("figure", *names, *columns, ""), rows)
