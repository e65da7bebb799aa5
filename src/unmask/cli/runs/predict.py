"""Running `unmask predict`: progress on stderr, counts on stdout."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import typer

from unmask.bundle.catalogue import find
from unmask.bundle.manifest import load_bundle
from unmask.cli.inputs import refuse_overwriting
from unmask.cli.runs.evaluation import count_videos, parse_split
from unmask.evaluation.composer import count_coverage
from unmask.evaluation.inference import predict, source_at
from unmask.evaluation.predictions import PredictionRow
from unmask.report.wording import visible
from unmask.system.files import check_parent_folder

_LINE_EVERY_SECONDS = 10.0


def run_predict(
    detector: str,
    data: Path,
    output: Path,
    *,
    split: str | None,
    fold: int | None,
    root: Path | None,
    threads: int,
    workers: int,
) -> int:
    """Score, say what was analysed, and return the exit code."""
    check_parent_folder(output)
    refuse_overwriting([output], [data, *data.rglob("*")])
    bundle = load_bundle(find(detector))
    source = source_at(
        bundle,
        data,
        split=parse_split(split),
        fold=fold,
        root=root,
        threads=threads,
        workers=workers,
    )
    predictions = predict(bundle, source, output, progress=PredictProgress())
    if predictions.info.leaks:
        typer.echo(
            f"note: this protocol leaks by design: {visible(predictions.info.leak_reason or '')}",
            err=True,
        )
    count = count_coverage(predictions)
    scored = int((predictions.words["status"] == "done").sum())
    typer.echo(f"{output}: {scored} crops scored; {count_videos(count)}")
    return 0 if count.done == count.expected else 3


class PredictProgress:
    """Progress: failures at once, a count now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, finished: int, total: int, rows: list[PredictionRow]) -> None:
        """Note what was just scored."""
        for row in rows:
            if row.status != "done":
                reason = visible(row.reason or "")
                typer.echo(f"{row.status}: {visible(row.video_id)}: {reason}", err=True)
        now = time.monotonic()
        if now - self._said >= _LINE_EVERY_SECONDS or sys.stderr.isatty():
            self._said = now
            end = "\r" if sys.stderr.isatty() and finished < total else "\n"
            sys.stderr.write(f"{finished}/{total} videos{end}")
