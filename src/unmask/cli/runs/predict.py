"""Running `unmask predict`: progress on stderr, counts on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer

from unmask.bundle.catalogue import find
from unmask.bundle.devices import Device
from unmask.bundle.manifest import load_bundle
from unmask.cli.inputs import refuse_overwriting
from unmask.cli.progress import Count
from unmask.cli.runs.evaluation import count_videos, parse_split, warn
from unmask.core.text import visible
from unmask.datasets.shards import parse_shard
from unmask.evaluation.composer import coarse_warnings, count_coverage
from unmask.evaluation.inference import combine_sources, predict, source_at
from unmask.evaluation.predictions import PredictionRow
from unmask.system.engines import Engine
from unmask.system.remote_files import as_typed, check_place


def run_predict(
    detector: str,
    data: Sequence[Path],
    output: Path,
    *,
    split: str | None,
    fold: int | None,
    shard: str | None,
    root: Path | None,
    threads: int,
    device: Device,
    engine: Engine,
) -> int:
    """Score, say what was analysed, and return the exit code."""
    check_place(output)
    refuse_overwriting([output], [file for path in data for file in (path, *path.rglob("*"))])
    part = parse_shard(shard)
    bundle = load_bundle(find(detector))
    sources = [
        source_at(
            bundle,
            path,
            split=parse_split(split),
            fold=fold,
            root=root,
            threads=threads,
            device=device,
            engine=engine,
        )
        for path in data
    ]
    source = combine_sources(sources, part)
    with Count("videos") as count:
        predictions = predict(bundle, source, output, progress=partial(_note, count))
    if predictions.info.leaks:
        typer.echo(
            f"note: this protocol leaks by design: {visible(predictions.info.leak_reason or '')}",
            err=True,
        )
    warn(coarse_warnings(predictions.info))
    coverage = count_coverage(predictions)
    scored = int((predictions.words["status"] == "done").sum())
    typer.echo(f"{as_typed(output)}: {scored} crops scored; {count_videos(coverage)}")
    return 0 if coverage.done == coverage.expected else 3


def _note(count: Count, finished: int, total: int, rows: list[PredictionRow]) -> None:
    """Show what was just scored; a failure gets a line."""
    for row in rows:
        if row.status != "done":
            reason = visible(row.reason or "")
            count.note(f"{row.status}: {visible(row.crop.video_id)}: {reason}")
    count.update(finished, total)
