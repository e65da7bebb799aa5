"""What data sets of full size cost in memory and time, on made rows and tiny pictures.

    python -m benchmarks.scale --folder /somewhere/large
    python -m benchmarks.scale --folder /somewhere/large --only train --only predict
    python -m benchmarks.scale --folder /somewhere/large --only none  # the table as it is known

Each command of the command line runs in a process of its own over 120,000 videos and 5 million
crops; its peak memory and its time go to benchmarks/results/scale.md. The folder keeps what is
made, and the figures of each command, so that one can be measured again and stands in the table
with the others; see `benchmarks.scale_material`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import scale_material as material
from benchmarks.measure import Run, run
from benchmarks.scan_speed import RESULTS, machine
from unmask.bundle.catalogue import find

GIB = 2**30
GOAL_GIB = 2.0
LEFT_TO_PREDICT = 20
_SPLIT = ("data", "split")


@dataclass(frozen=True)
class Step:
    """A command that is measured."""

    name: str
    """What it does."""
    words: Sequence[str | Path]
    """The command line, without the program."""
    writes: str | None = None
    """What it writes below the folder, which is removed before."""
    accepted: tuple[int, ...] = (0,)
    """Exit codes that are no failure."""


def steps(place: Path) -> list[Step]:
    """Return the commands over what lies in a folder."""
    clips, manifest, crops = place / "clips", place / "manifest.parquet", place / "crops"
    identity, rows = place / "identity.parquet", place / "crop-rows.parquet"
    table = clips / "clips.parquet"
    train = (
        "train", "toy", "--data", crops, "--device", "cpu", "--set", "epochs=1", "--set",
        "epoch_batches=20", "--set", "network.size_px=32", "--validation", place / "small",
        "--set", "workers=2",
    )  # fmt: skip
    leaks = (0, 1)
    return [
        Step("index videos", ("data", "index", "table", table, "-o", manifest), manifest.name),
        Step(
            "split videos by identity",
            (*_SPLIT, manifest, "--protocol", "identity", "-o", identity),
            identity.name,
        ),
        Step("split videos in folds",
             (*_SPLIT, manifest, "--protocol", "k-fold", "-o", place / "folds.parquet"),
             "folds.parquet"),
        Step("audit videos", ("data", "audit", identity, "--no-frames"), accepted=leaks),
        Step("verify videos", ("data", "verify", identity, "--no-open"), accepted=leaks),
        Step("index crops", ("data", "index", "crops", crops, "-o", rows), rows.name),
        Step(
            "split crops by identity",
            (*_SPLIT, rows, "--protocol", "identity", "-o", place / "crop-identity.parquet"),
            "crop-identity.parquet",
        ),
        Step("audit crops", ("data", "audit", place / "crop-identity.parquet", "--no-frames"),
             accepted=leaks),
        Step("crops: nothing left to cut", ("data", "crops", identity, "-o", crops)),
        Step("count crops", ("data", "stats", crops)),
        Step("predict the last videos",
             ("predict", find("default"), crops, "-o", place / "scores.parquet"),
             "scores.parquet"),
        Step("evaluate",
             ("evaluate", place / "scores.parquet", "--json", place / "evaluation.json"),
             "evaluation.json"),
        Step("train 20 batches", (*train, "--set", "imbalance.strategy=balanced", "-o",
                                  place / "run"), "run"),
        Step("train 20 paired batches", (*train, "--set", "imbalance.strategy=paired", "-o",
                                         place / "paired"), "paired"),
    ]  # fmt: skip


def make(place: Path, step: Step, options: argparse.Namespace) -> None:
    """Make what a command reads, if it is not there, and remove what it will write."""
    if step.writes is not None:
        material.remove(place / step.writes)
    if not (place / "clips").exists():
        material.write_clips(place / "clips", options.videos)
    of_videos = step.words[0] == "data" and step.name.endswith(" videos")
    if of_videos or not (place / "identity.parquet").exists():
        return
    if not (place / "crops").exists():
        material.write_store(place / "identity.parquet", place / "crops", options.crops)
    if not (place / "small").exists():
        small = material.write_small(place / "identity.parquet", place / "small.parquet")
        material.write_store(small, place / "small", 2)
    if step.name.startswith("predict"):
        out = place / "scores.parquet"
        material.remove(out.with_name(f".{out.name}.parts"))
        material.write_begun_predictions(
            find("default"), place / "crops", out, left=LEFT_TO_PREDICT
        )


def measure(place: Path, step: Step, options: argparse.Namespace) -> Run:
    """Run a command in a process of its own."""
    if os.fork() == 0:  # what is made here must not count as memory of the command
        make(place, step, options)
        os._exit(0)
    if os.wait()[1]:
        raise SystemExit(f"what `{step.name}` reads could not be made")
    measured = run([sys.executable, "-m", "unmask", *step.words], accepted=step.accepted)
    row = row_of(step, measured)
    print(row, flush=True)
    keep(place, step, row)
    return measured


def keep(place: Path, step: Step, row: str) -> None:
    """Keep the figures of a command in the folder."""
    path = _figures(place, step)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{row}\n", encoding="utf-8")


def _figures(place: Path, step: Step) -> Path:
    return place / "figures" / f"{step.name.replace(':', '').replace(' ', '-')}.md"


def kept(place: Path, step: Step) -> str:
    """Return a command's line of the table, as it was measured last."""
    path = _figures(place, step)
    if not path.exists():
        return f"| {step.name} | not measured | | | |"
    return path.read_text(encoding="utf-8").rstrip("\n")


def row_of(step: Step, measured: Run) -> str:
    """Return a line of the table."""
    peak = measured.peak_bytes / GIB
    goal = "met" if peak < GOAL_GIB else "NOT met"
    times = f"{measured.seconds:.0f} | {measured.cpu_seconds:.0f}"
    return f"| {step.name} | {peak:.2f} | {times} | {goal} |"


def document(options: argparse.Namespace, rows: Sequence[str], load: float) -> str:
    """Put the results into Markdown."""
    head = [
        "# Data sets of full size",
        "",
        (
            f"`python -m benchmarks.scale`: {options.videos:,} videos of {options.crops} crops "
            f"each, {options.videos * options.crops:,} crops; pictures of 8 x 8 px, {options.note}"
        ),
        "",
        *machine(load),
        "",
        (
            "Each command is a process of its own. Memory is the largest of one of its processes "
            f"(`ru_maxrss`); the goal is {GOAL_GIB:g} GiB."
        ),
        "",
        "| command | peak, GiB | seconds | seconds of a core | goal |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="for about 6 GB; kept")
    add("--videos", type=int, default=120_000)
    add("--crops", type=int, default=42, help="crops of each video")
    add("--only", action="append", help="commands that begin so; of others the last figures stay")
    add("--note", default="made by the program", help="a line on the circumstances")
    add("--out", type=Path, default=RESULTS / "scale.md")
    return parser.parse_args()


def main() -> None:
    """Measure all commands, or some."""
    options = arguments()
    place, load = options.folder.absolute(), os.getloadavg()[0]
    place.mkdir(parents=True, exist_ok=True)
    chosen = [
        step
        for step in steps(place)
        if not options.only or any(step.name.startswith(name) for name in options.only)
    ]
    began = time.monotonic()
    for step in chosen:
        measure(place, step, options)
    print(f"{time.monotonic() - began:.0f} s in all")
    rows = [kept(place, step) for step in steps(place)]
    options.out.write_text(document(options, rows, load), encoding="utf-8")


if __name__ == "__main__":
    main()
