"""Running `unmask scores`: another program's scores become a predictions file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from unmask.cli.inputs import refuse_overwriting
from unmask.cli.runs.evaluation import count_videos
from unmask.evaluation.composer import count_coverage
from unmask.evaluation.predictions import (
    PredictionsInfo,
    read_predictions,
    to_table,
    write_predictions,
)
from unmask.evaluation.score_import import parse_mapping, read_scores
from unmask.system.files import check_parent_folder
from unmask.system.provenance import versions


def run_scores(table: Path, columns: str, output: Path, facts: dict[str, Any]) -> int:
    """Import another program's scores."""
    check_parent_folder(output)
    refuse_overwriting([output], [table])
    rows = read_scores(table, parse_mapping(columns))
    info = PredictionsInfo(**facts, settings={"columns": columns}, versions=versions())
    write_predictions(info, to_table(rows), output)
    typer.echo(
        f"{output}: {len(rows)} rows; {count_videos(count_coverage(read_predictions(output)))}"
    )
    return 0
