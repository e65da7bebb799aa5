"""Running `unmask data stats`: counts as tables, JSON or a plot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from unmask.cli.runs.sheet import check_picture, save_picture
from unmask.cli.tables import SHOWN, print_some, print_table
from unmask.core.text import visible
from unmask.crops.sheet import plot
from unmask.crops.stats import StoreStats, compute_stats
from unmask.crops.store import CropStore

STATS_VERSION = 1
"""Version of the JSON of `stats`."""


def run_stats(store: Path, *, as_json: bool, plot_to: Path | None, verify: bool) -> int:
    """Print what a store holds; 1 if a shard is damaged."""
    if plot_to is not None:
        check_picture(plot_to, store)
    opened = CropStore(store)
    stats = compute_stats(opened)
    damaged = [path.name for path in opened.damaged()] if verify else []
    if as_json:
        document = {"version": STATS_VERSION, **asdict(stats)}
        typer.echo(json.dumps(document | ({"damaged": damaged} if verify else {}), indent=2))
    else:
        _print_stats(stats)
        print_some("damaged shards", damaged)
    if plot_to is not None:
        save_picture(plot(stats), plot_to)
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
