"""Running `unmask data crops`, `stats` and `sheet`: progress on stderr, counts on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer
from PIL import Image

from unmask.cli.data.tables import SHOWN, print_some, print_table
from unmask.cli.inputs import refuse_overwriting
from unmask.datasets.cropping import CropSummary, Progress, crop_videos
from unmask.datasets.extraction import CropSettings
from unmask.datasets.manifest import read_manifest
from unmask.datasets.rows import VideoCoverage
from unmask.datasets.sheet import contact_sheet, plot
from unmask.datasets.stats import StoreStats, stats_of
from unmask.datasets.store import CropStore
from unmask.files import check_folder_of, write_whole
from unmask.report.wording import one_line, visible

STATS_VERSION = 1
"""Version of the JSON of `stats`."""
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
    typer.echo(_stand(summary, output))
    return 0 if summary.complete else 3


def _stand(summary: CropSummary, output: Path) -> str:
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
                    bar.console.print(_missing(line), markup=False, highlight=False)
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
            typer.echo(_missing(line), err=True)
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


def _missing(line: VideoCoverage) -> str:
    return f"{line.status}: {one_line(line.video_id)}: {one_line(line.reason or '')}"


def run_stats(store: Path, *, as_json: bool, plot_to: Path | None, verify: bool) -> int:
    """Print what a store holds; 1 if a shard is damaged."""
    if plot_to is not None:
        _check_output(plot_to, store)
    opened = CropStore(store)
    stats = stats_of(opened)
    damaged = [path.name for path in opened.damaged()] if verify else []
    if as_json:
        found = {"version": STATS_VERSION, **asdict(stats)}
        typer.echo(json.dumps(found | ({"damaged": damaged} if verify else {}), indent=2))
    else:
        _print_stats(stats)
        print_some("damaged shards", damaged)
    if plot_to is not None:
        _save(plot(stats), plot_to)
    return 1 if damaged else 0


def _print_stats(stats: StoreStats) -> None:
    typer.echo(f"{visible(stats.dataset)}: {stats.crops} crops of {stats.videos} videos")
    typer.echo(f"licence: {visible(stats.licence)}")
    typer.echo(f"protocol: {visible(stats.protocol or 'none')}")
    if stats.leaks:
        typer.echo(f"LEAKS by design: {visible(stats.leak_reason or '')}")
    typer.echo()
    counted = [
        (
            c.split or "-",
            c.label,
            c.method or "-",
            c.compression or "-",
            f"{c.crops}",
            f"{c.videos}",
        )
        for c in stats.counts
    ]
    print_table(("split", "label", "method", "compression", "crops", "videos"), counted)
    _print_balance(stats)
    _print_sizes(stats)
    _print_coverage(stats)


def _print_balance(stats: StoreStats) -> None:
    rows = []
    for each in stats.balance:
        ratio = "-" if each.imbalance is None else f"{each.imbalance:.2f}"
        weights = ", ".join(f"{name} {value:.3f}" for name, value in each.class_weights.items())
        rows.append((each.split or "-", ratio, weights))
    typer.echo()
    print_table(("split", "imbalance", "class weights n/(k n_c)"), rows)


def _print_sizes(stats: StoreStats) -> None:
    if stats.face_px:
        typer.echo()
        names = list(next(iter(stats.face_px.values())))
        rows = [
            (label, *(f"{sizes[name]:.0f}" for name in names))
            for label, sizes in stats.face_px.items()
        ]
        print_table(("face px", *(f"{float(name):.0%}" for name in names)), rows)
    if stats.forged_face:
        typer.echo()
        chosen = [(name, str(number)) for name, number in stats.forged_face.items()]
        print_table(("forged face chosen by", "crops"), chosen)


def _print_coverage(stats: StoreStats) -> None:
    typer.echo()
    endings = [(each.label, each.status, str(each.videos)) for each in stats.endings]
    print_table(("label", "videos that are", "count"), endings)
    if stats.not_tried:
        typer.echo(f"not tried yet: {stats.not_tried} videos")
    if stats.not_in_shards:
        typer.echo(
            f"not in a shard yet, not counted above: {stats.not_in_shards} videos; "
            "run `unmask data crops` again"
        )
    missing = [f"{name}: {status}: {reason}" for name, status, reason in stats.missing]
    print_some("without crops", missing)
    if len(missing) > SHOWN:
        typer.echo("  all of them: coverage.parquet, or --json")


def run_sheet(
    store: Path, output: Path, *, count: int, label: str | None, method: str | None
) -> int:
    """Write a contact sheet."""
    if label not in {None, "real", "fake"}:
        raise ValueError(f"--label must be real or fake, got {label!r}")
    _check_output(output, store)
    _save(contact_sheet(CropStore(store), count=count, label=label, method=method), output)
    typer.echo(output)
    return 0


def _save(picture: Image.Image, path: Path) -> None:
    write_whole(path, lambda partial: picture.save(partial, "PNG"))


def _check_output(path: Path, store: Path) -> None:
    """Refuse a picture that has no folder, or would replace a file of the store."""
    check_folder_of(path)
    # a picture drawn before may be drawn again
    refuse_overwriting([path], [file for file in store.rglob("*") if file.suffix != ".png"])
