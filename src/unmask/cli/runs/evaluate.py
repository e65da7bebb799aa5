"""Running `unmask evaluate`: figures on stdout, warnings on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from unmask.cli.inputs import refuse_overwriting
from unmask.cli.runs.evaluation import count_videos, parse_split, select_split, warn, write_json
from unmask.cli.tables import print_table
from unmask.core.text import visible, visible_lines
from unmask.evaluation.composer import evaluate as evaluate_predictions
from unmask.evaluation.html import to_html
from unmask.evaluation.pooling import pool_shards
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.results import Evaluation, EvaluationSettings
from unmask.evaluation.tables import group_table, latex, markdown, number, overall_table
from unmask.report.wording import leak_mark
from unmask.system.files import check_parent_folder, write_text

TABLE_FORMATS = {"markdown": markdown, "latex": latex}


@dataclass(frozen=True)
class EvaluateOutputs:
    """Where figures go beside the terminal."""

    report: Path | None
    """The page."""
    json: Path | None
    """The JSON; `-` is standard output."""
    table: str | None
    """Print tables in this form."""

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse what cannot be written or would replace an input, before anything is computed."""
        files = [path for path in (self.report, self.json) if path not in {None, Path("-")}]
        for path in files:
            check_parent_folder(path)
        refuse_overwriting(files, inputs)
        if self.table not in {None, *TABLE_FORMATS}:
            raise ValueError(
                f"--table must be one of {', '.join(TABLE_FORMATS)}, got {self.table!r}"
            )


def run_evaluate(
    shards: Sequence[Predictions],
    settings: EvaluationSettings,
    outputs: EvaluateOutputs,
    *,
    split: str | None,
) -> int:
    """Evaluate the predictions of one detector, print and write; 3 where too little was analysed.

    Args:
        shards: the predictions of one file or of several.
        settings: how.
        outputs: where to.
        split: only rows of this split.
    """
    part = parse_split(split)
    predictions = shards[0] if len(shards) == 1 else pool_shards(shards)
    evaluation = evaluate_predictions(select_split(predictions, part), settings)
    warn(evaluation.warnings)
    if outputs.report is not None:
        write_text(outputs.report, to_html(evaluation))
    if outputs.json is not None:
        write_json(to_json_values(evaluation), outputs.json)
    if outputs.json != Path("-"):
        _print(evaluation, outputs.table)
    return 0 if evaluation.enough else 3


def to_json_values(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values; None is not measured."""
    curves = None if evaluation.curves is None else asdict(evaluation.curves)
    return {
        "version": evaluation.version,
        "info": evaluation.info.model_dump(mode="json"),
        "settings": asdict(evaluation.settings),
        "threshold_logit": evaluation.threshold_logit,
        "coverage": {**asdict(evaluation.coverage), "share": evaluation.coverage.share},
        "groups": [asdict(group) for group in evaluation.groups],
        "confusion": asdict(evaluation.confusion),
        "curves": curves,
        "warnings": evaluation.warnings,
    }


def _print(evaluation: Evaluation, form: str | None) -> None:
    if form is not None:
        for table in (overall_table(evaluation), group_table(evaluation)):
            typer.echo(visible_lines(TABLE_FORMATS[form](table)) + "\n")
        return
    info = evaluation.info
    mark = leak_mark(leaks=info.leaks)
    group = evaluation.overall
    typer.echo(f"{visible(info.detector)} on {visible(info.data)}, per {evaluation.settings.level}")
    typer.echo(f"protocol: {visible(info.protocol or 'not split')}{mark}")
    typer.echo(f"{count_videos(evaluation.coverage)} ({evaluation.coverage.share:.1%} analysed)")
    typer.echo(
        f"{group.reals} real, {group.fakes} fake; intervals over {group.clusters} clusters "
        f"({evaluation.settings.cluster_by}); threshold {evaluation.threshold_logit:.3f}\n"
    )
    groups = [each for each in evaluation.groups if each.by == "all"]
    rows = []
    for figure in group.figures:
        numbers = [number(each.figure(figure.name), evaluation) for each in groups]
        rows.append((figure.name, *(n.text + mark for n in numbers), numbers[0].reason or ""))
    print_table(("figure", *(each.counting for each in groups), ""), rows)
