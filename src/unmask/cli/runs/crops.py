"""Running `unmask data crops`: progress on stderr, counts on stdout."""

from __future__ import annotations

from pathlib import Path

import typer

from unmask.cli.progress import Count
from unmask.core.text import one_line, visible
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import CropSummary, crop_videos
from unmask.crops.rows import VideoCoverage
from unmask.datasets.manifest import read_manifest
from unmask.datasets.shards import parse_shard
from unmask.system.engines import Engine
from unmask.system.remote_files import as_typed


def run_crops(
    manifest: Path,
    output: Path,
    settings: CropSettings,
    *,
    root: Path | None,
    engine: Engine,
    limit: int | None,
    shard: str | None,
    retry_failed: bool,
) -> int:
    """Cut all crops, say how the store stands, and return the exit code."""
    rows = read_manifest(manifest)
    with Count("videos") as count:
        summary = crop_videos(
            rows,
            output,
            settings,
            root=root,
            engine=engine,
            limit=limit,
            shard=parse_shard(shard),
            retry_failed=retry_failed,
            progress=_Progress(count),
        )
    if rows.info.leaks:
        typer.echo(
            f"note: these splits leak by design: {visible(rows.info.leak_reason or '')}", err=True
        )
    typer.echo(describe_store(summary, output))
    return 0 if summary.complete else 3


def describe_store(summary: CropSummary, output: Path) -> str:
    """Return how many crops and videos a store holds, in a line."""
    videos = f"{summary.done} done, {summary.empty} empty, {summary.failed} failed"
    if summary.not_tried:
        videos += f", {summary.not_tried} not tried yet"
    return f"{as_typed(output)}: {summary.crops} crops in {summary.shards} shards; videos: {videos}"


class _Progress:
    """Shows how many videos are cut, and how many crops they gave; a failure gets a line."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._crops = 0

    def __call__(self, finished: int, total: int, line: VideoCoverage | None) -> None:
        """Note a video; before the first, how many there are."""
        if line is None:
            self._count.note(f"{total} videos to cut")
            return
        self._crops += line.crops
        if line.status != "done":
            self._count.note(_describe_missing(line))
        self._count.update(finished, total, f"{self._crops} crops")


def _describe_missing(line: VideoCoverage) -> str:
    return f"{line.status}: {one_line(line.record.video_id)}: {one_line(line.reason or '')}"
