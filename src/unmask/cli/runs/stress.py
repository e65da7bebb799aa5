"""Running `unmask stress`: the table on stdout, progress and warnings on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from unmask.bundle.catalogue import find
from unmask.bundle.manifest import load_bundle
from unmask.cli.inputs import refuse_overwriting
from unmask.cli.progress import Count
from unmask.cli.runs.evaluation import parse_split
from unmask.cli.tables import print_table
from unmask.core.text import one_line, visible
from unmask.evaluation.distorted_scores import StressSettings, score_distorted, write_scores
from unmask.evaluation.stored_pictures import faces_at
from unmask.evaluation.stress import Stress, compute_outcomes
from unmask.evaluation.stress_page import COLUMNS, make_rows, to_html
from unmask.report.wording import leak_mark
from unmask.scanner.distortions import DISTORTIONS
from unmask.system.files import check_parent_folder, write_text


@dataclass(frozen=True)
class StressOutputs:
    """Where figures go beside the terminal."""

    report: Path | None
    """The page."""
    scores: Path | None
    """All scores, a Parquet file."""

    def check(self, crops: Path) -> None:
        """Refuse what cannot be written or would replace the crops, before anything is scored."""
        files = [path for path in (self.report, self.scores) if path is not None]
        for path in files:
            check_parent_folder(path)
        refuse_overwriting(files, [crops, *crops.rglob("*")])


def read_settings(only: Sequence[str] | None, *, cluster: Any, **options: Any) -> StressSettings:
    """Return the settings of the options."""
    return StressSettings(only=tuple(only or DISTORTIONS), cluster_by=cluster, **options)


def run_stress(
    detector: str,
    crops: Path,
    settings: StressSettings,
    outputs: StressOutputs,
    *,
    limit: int,
    split: str | None,
    threads: int,
) -> int:
    """Score, print, write, and return the exit code."""
    outputs.check(crops)
    bundle = load_bundle(find(detector))
    faces = faces_at(
        bundle,
        crops,
        split=parse_split(split),
        limit=limit,
        seed=settings.seed,
        threads=threads,
    )
    with Count("crops") as count:
        scores = score_distorted(bundle, faces, settings, progress=count.update)
    threshold = bundle.manifest.point("balanced").logit
    stress = compute_outcomes(scores, settings, threshold=threshold)
    if outputs.scores is not None:
        write_scores(scores, outputs.scores)
    if outputs.report is not None:
        write_text(outputs.report, to_html(stress))
    _print(stress)
    return 3 if stress.unreadable else 0


def _print(stress: Stress) -> None:
    info = stress.info
    if info.leaks:
        typer.echo(
            f"note: this protocol leaks by design: {one_line(info.leak_reason or '')}", err=True
        )
    for warning in stress.warnings:
        typer.echo(f"warning: {one_line(warning)}", err=True)
    if stress.unreadable:
        typer.echo(f"warning: {stress.unreadable} crops could not be decoded", err=True)
    mark = leak_mark(leaks=info.leaks)
    typer.echo(
        f"{visible(info.detector)} on {visible(info.data)}, per {stress.settings.level}{mark}"
    )
    typer.echo(
        f"{stress.reals} real, {stress.fakes} fake; intervals over {stress.clusters} clusters "
        f"({stress.settings.cluster_by})\n"
    )
    print_table(COLUMNS, make_rows(stress))
