"""Running `unmask train`: progress on stderr, the result on stdout."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import typer

from unmask.core.errors import UnmaskError
from unmask.core.text import visible
from unmask.system.engines import Engine
from unmask.system.remote_files import is_remote, refuse_address

if TYPE_CHECKING:
    from unmask.training.runs import Run, RunRecord


_SHOWN = ("training_loss", "loss", "accuracy", "auc", "video_auc")
_LINE_SECONDS = 60.0
"""Time between two lines where there is no terminal to draw a bar on."""
_TOLERATED_WAIT = 0.1
"""Share of the time that may be spent on waiting for crops without a word."""


def preview_forgeries(recipe: str, changes: list[str], data: list[Path], target: Path) -> str:
    """Write a sheet of the forgeries that a recipe makes, and return what to print."""
    from unmask.training.crop_table import read_crops
    from unmask.training.preview import write_preview
    from unmask.training.recipe import load_recipe

    settings = load_recipe(recipe, changes)
    crops = read_crops(data, uncertain_fakes=settings.uncertain_fakes)
    count = write_preview(crops, settings, target)
    return f"{target}: {count} forgeries, each as real, mask and fake"


@dataclass(frozen=True)
class RunRequest:
    """A new run, as the command line words it."""

    recipe: str
    """Name or file."""
    data: list[Path]
    """Crops to learn from."""
    validation: list[Path]
    """Crops to choose by."""
    changes: list[str]
    """Fields of the recipe, `name=value`."""
    output: Path | None
    """Folder of the run; None names it after recipe and time."""
    fold: int | None
    """Fold of the crops to hold out."""


@dataclass(frozen=True)
class Devices:
    """What to train on."""

    kind: str
    """`auto`, `cpu` or `cuda`."""
    count: int
    """How many of this machine share each step."""
    engine: Engine
    """Where the processes run; with Ray its workers share each step."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.engine.name == "local" and self.engine.workers > 1:
            raise ValueError("--num-workers goes with --engine ray; on this machine: --devices")
        if self.engine.name == "ray" and self.count > 1:
            raise ValueError("--engine ray has one device for each of --num-workers, not --devices")

    def reach(self, paths: list[Path]) -> list[Path]:
        """Return paths as the processes find them: Ray's workers start in another folder."""
        if self.engine.name == "local":
            return paths
        return [path if is_remote(path) else path.absolute() for path in paths]


def begin_run(
    request: RunRequest, devices: Devices, shown: RunProgress, logger: str | None = None
) -> Run:
    """Train by a recipe into a new folder."""
    from unmask.training.recipe import load_recipe

    recipe = load_recipe(request.recipe, request.changes)
    folder = request.output or Path("runs", f"{recipe.name}-{datetime.now():%Y%m%d-%H%M%S}")  # noqa: DTZ005 - a folder's name, in the user's time
    refuse_address(folder)
    shown.folder = folder

    from unmask.training.engine import train as train_by

    run = partial(
        train_by,
        recipe,
        devices.reach(request.data),
        devices.reach(request.validation),
        command=shlex.join(["unmask", *sys.argv[1:]]),
        fold=request.fold,
        logger=logger,
    )
    return _train(run, folder, devices, shown)


def resume_run(
    folder: Path, devices: Devices, shown: RunProgress, logger: str | None = None
) -> Run:
    """Go on with a run that was stopped; a finished one is returned as it is."""
    from unmask.training.runs import read_run

    shown.folder = folder
    run = read_run(folder)
    if run.record.finished and run.validation_list.is_file():
        sys.stderr.write(f"{folder} is finished; nothing is left to train\n")
        return run

    from unmask.training.engine import resume

    return _train(partial(resume, logger=logger), folder, devices, shown)


def _train(run: Callable[..., Run], folder: Path, devices: Devices, shown: RunProgress) -> Run:
    """Train in processes of this machine, of torchrun or SLURM, or of a Ray cluster."""
    from unmask.training.processes import hardware_here

    kind: Any = devices.kind  # checked there
    if devices.engine.name == "local":
        hardware = hardware_here(kind, devices.count)
        return run(folder=folder, hardware=hardware, watcher=shown)
    from unmask.training.ray_training import train_on_ray

    named = folder.absolute()
    return train_on_ray(
        partial(run, folder=named), named, device=kind, engine=devices.engine, watcher=shown
    )


def is_first_process() -> bool:
    """Tell whether this process prints: of several that torchrun or SLURM started, one does."""
    from unmask.training.processes import is_first

    return is_first()


class RunProgress:
    """Shows on standard error how far a run is: a bar, or elsewhere a line a minute; and epochs."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.devices = 1
        self._bar: Any = None
        self._next_line = time.monotonic() + _LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Close the bar, and say how to go on where a run was stopped.

        Raises:
            typer.Exit: another process of the run says what went wrong.
        """
        if self._bar is not None:
            self._bar.stop()
        begun = self.folder is not None and (self.folder / "run.json").is_file()
        if kind is KeyboardInterrupt and begun:
            shared = f" --devices {self.devices}" if self.devices > 1 else ""
            sys.stderr.write(f"go on with: unmask train --resume {self.folder}{shared}\n")
        if isinstance(error, UnmaskError):
            from unmask.training.processes import is_said_elsewhere

            if is_said_elsewhere(error):
                raise typer.Exit(2) from error

    def begins(self, record: RunRecord) -> None:
        """Say what a run learns from, and what to know of it."""
        for line in describe_run(record):
            sys.stderr.write(f"{visible(line)}\n")

    def batch(self, done: int, total: int, *, loss: float) -> None:
        """Move the bar."""
        if self._bar is None:
            self._bar = _bar(total)
        self._bar.update(self._bar.task_ids[0], completed=done, loss=loss)
        if not self._bar.console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_SECONDS
            left = self._bar.tasks[0].time_remaining
            end = "" if left is None else f"  {timedelta(seconds=round(left))} left"
            self._print(f"batch {done} of {total}  loss {loss:.4f}{end}")

    def epoch(self, row: dict[str, float], *, best: bool) -> None:
        """Print a line."""
        figures = "  ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in _SHOWN)
        speed = f"{row['crops_per_second']:.0f} crops/s"
        if row["waited_ratio"] > _TOLERATED_WAIT:
            speed += f", {row['waited_ratio']:.0%} of the time waiting for crops (raise workers)"
        self._print(f"epoch {row['epoch']:.0f}  {figures}  {speed}{'  best' if best else ''}")

    def _print(self, line: str) -> None:
        if self._bar is None:
            sys.stderr.write(f"{line}\n")
        else:
            self._bar.console.print(line, highlight=False, soft_wrap=True)


def _bar(total: int) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches  loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    bar.add_task("training", total=total, loss=float("nan"))
    bar.start()
    return bar


def describe_run(record: RunRecord) -> list[str]:
    """Return in lines what a run learns on and from, and what to know of it."""
    lines = [f"device: {record.device}"]
    for name, side in (("training", record.data.training), ("validation", record.data.validation)):
        crops = f"{side.real} real and {side.fake} fake crops of {side.videos} videos"
        lines.append(f"{name}: {crops}")
    how = {
        "given": "as given",
        "store": "as the data mark them",
        "carved": "carved from the training crops, whole footage at a time (none were given)",
    }
    lines[-1] += f", {how[record.data.validation_from]}"
    if record.data.held_out_fold is not None:
        lines.append(f"held out: fold {record.data.held_out_fold}, which is not read")
    return lines + [f"leaky: {reason}" for reason in record.data.leaks]


def summary(run: Run) -> str:
    """Return the result in lines: folder, best epoch, its validation figures, threshold."""
    record = run.record
    figures = ", ".join(f"{name.replace('_', ' ')} {v:.4f}" for name, v in record.metrics.items())
    chosen_by = record.selection.replace("_", " ")
    lines = [
        str(run.folder),
        f"  best epoch {record.best_epoch} of {record.epochs_done}, by validation {chosen_by}",
        f"  validation: {figures}",
    ]
    if record.decision is not None:
        lines.append(
            f"  called fake from logit {record.decision.logit:.3f} "
            f"(costs {record.decision.costs}, {record.decision.prior_fake:.0%} fakes in use)"
        )
    lines += [f"  leaky, figures are too good: {reason}" for reason in record.data.leaks]
    return "\n".join([*lines, f"  next: unmask export {run.folder} -o DETECTOR"])
