"""Running `unmask data crops`: progress on stderr, counts on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import CropSummary, Progress, crop_videos
from unmask.crops.rows import VideoCoverage
from unmask.datasets.manifest import read_manifest
from unmask.report.wording import one_line, visible

_LINE_EVERY_SECONDS = 30.0
"""Time between two lines of progress where standard error is no terminal."""


def run_crops(
    manifest: Path,
    output: Path,
    settings: CropSettings,
    *,
    root: Path | None,
    workers: int,
    limit: int | None,
    retry_failed: bool,
) -> int:
    """Cut all crops, say how the store stands, and return the exit code."""
    rows = read_manifest(manifest)
    with _progress() as progress:
        summary = crop_videos(
            rows,
            output,
            settings,
            root=root,
            workers=workers,
            limit=limit,
            retry_failed=retry_failed,
            progress=progress,
        )
    if rows.info.leaks:
        typer.echo(
            f"note: these splits leak by design: {visible(rows.info.leak_reason or '')}", err=True
        )
    typer.echo(_describe_store(summary, output))
    return 0 if summary.complete else 3


def _describe_store(summary: CropSummary, output: Path) -> str:
    videos = f"{summary.done} done, {summary.empty} empty, {summary.failed} failed"
    if summary.not_tried:
        videos += f", {summary.not_tried} not tried yet"
    return f"{output}: {summary.crops} crops in {summary.shards} shards; videos: {videos}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("videos, {task.description}, left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("0 crops", total=None)
        crops = 0

        def tell(finished: int, total: int, line: VideoCoverage | None) -> None:
            nonlocal crops
            if line is not None:
                crops += line.crops
                if line.status != "done":
                    bar.console.print(_describe_missing(line), markup=False, highlight=False)
            bar.update(task, completed=finished, total=total, description=f"{crops} crops")

        yield tell


class _Lines:
    """Progress as lines of text."""

    def __init__(self) -> None:
        self._crops = 0
        self._start = self._said = time.monotonic()

    def __call__(self, finished: int, total: int, line: VideoCoverage | None) -> None:
        """Note a video; say something when it is time."""
        now = time.monotonic()
        if line is None:
            self._start = now
            typer.echo(f"{total} videos to cut", err=True)
            return
        self._crops += line.crops
        if line.status != "done":
            typer.echo(_describe_missing(line), err=True)
        if now - self._said >= _LINE_EVERY_SECONDS:
            self._said = now
            seconds = now - self._start
            left = _clock(seconds / finished * (total - finished))
            rate = f"{self._crops / seconds:.1f} crops/s"
            typer.echo(f"{finished}/{total} videos, {rate}, {left} left", err=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _describe_missing(line: VideoCoverage) -> str:
    return f"{line.status}: {one_line(line.video_id)}: {one_line(line.reason or '')}"
