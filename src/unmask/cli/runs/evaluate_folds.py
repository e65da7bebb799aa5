"""Running `evaluate` on several predictions files: the figures of each fold and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from unmask.cli.runs.evaluate import EvaluateOutputs, to_json_values
from unmask.cli.runs.evaluation import count_videos, parse_split, select_split, warn, write_json
from unmask.cli.tables import print_table
from unmask.core.text import visible
from unmask.evaluation.folds import Folds, evaluate_folds
from unmask.evaluation.predictions import read_predictions
from unmask.evaluation.results import EVALUATION_VERSION, EvaluationSettings
from unmask.evaluation.tables import number
from unmask.report.wording import leak_mark


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
    part = parse_split(split)
    results = evaluate_folds([select_split(read_predictions(p), part) for p in paths], settings)
    warn(dict.fromkeys(warning for fold in results.each for warning in fold.warnings))
    if outputs.json is not None:
        folds = [to_json_values(fold) for fold in results.each]
        means = [asdict(mean) for mean in results.means]
        write_json({"version": EVALUATION_VERSION, "folds": folds, "means": means}, outputs.json)
    if outputs.json != Path("-"):
        _print([visible(path.stem) for path in paths], results)
    return 0 if results.enough else 3


def _print(names: Sequence[str], results: Folds) -> None:
    first, mean = results.each[0], results.means[0]
    for name, fold in zip(names, results.each, strict=True):
        typer.echo(f"{name}: {visible(fold.info.detector)} on {visible(fold.info.data)}")
        typer.echo(f"  {count_videos(fold.coverage)} ({fold.coverage.share:.1%} analysed)")
    mark = leak_mark(leaks=any(fold.info.leaks for fold in results.each))
    typer.echo(f"protocol: {visible(first.info.protocol or 'not split')}{mark}")
    typer.echo(
        f"{mean.reals} real, {mean.fakes} fake {first.settings.level}s; intervals of the means "
        f"over {mean.clusters} clusters ({first.settings.cluster_by})\n"
    )
    rows = []
    for figure in mean.figures:
        single = [number(fold.overall.figure(figure.name), fold).value for fold in results.each]
        means = [number(each.figure(figure.name), first).text for each in results.means]
        rows.append((figure.name, *(n + mark for n in (*single, *means)), figure.reason or ""))
    columns = [f"mean, {each.counting}" for each in results.means]
    print_table(("figure", *names, *columns, ""), rows)
