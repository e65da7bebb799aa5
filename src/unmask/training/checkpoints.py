"""What a run keeps while it learns: checkpoint, log, curves, and the weights of the best epoch.

An epoch is judged on validation crops alone, on every device alike; the first device writes.
"""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from unmask.core.errors import InputError
from unmask.system.files import file_sha256, write_whole
from unmask.training.costs import Costs, threshold_for
from unmask.training.learning_curves import Row, draw_curves
from unmask.training.lightning_module import Learning
from unmask.training.loggers import log_epoch, summary_writer
from unmask.training.networks.tuning import plain_state
from unmask.training.recipe import Recipe
from unmask.training.runs import (
    CHECKPOINT,
    CURVES,
    LOG,
    TENSORBOARD,
    WEIGHTS,
    Decision,
    RunRecord,
    write_record,
)
from unmask.training.validation_metrics import figures, is_better

_DRAWN_SECONDS = 10.0
"""Curves are drawn at most this often, and at the end: drawing takes longer than a short epoch."""


class Watcher(Protocol):
    """Who shows how far a run is; can be pickled."""

    def begins(self, record: RunRecord) -> None:
        """Show what a run learns from, and on."""

    def batch(self, done: int, total: int, *, loss: float) -> None:
        """Show a batch."""

    def epoch(self, row: Row, *, best: bool) -> None:
        """Show a judged epoch."""


class Unwatched:
    """A watcher that shows nothing."""

    def begins(self, record: RunRecord) -> None:
        """Show nothing."""

    def batch(self, done: int, total: int, *, loss: float) -> None:
        """Show nothing."""

    def epoch(self, row: Row, *, best: bool) -> None:
        """Show nothing."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the validation crops."""

    is_fake: NDArray[np.bool_]
    """`(N,)` whether each is manipulated."""
    videos: list[str]
    """`(N,)` the video of each."""


@dataclass
class Progress:
    """What a run has learned about itself so far; part of the checkpoint."""

    rows: list[Row] = field(default_factory=list)
    """The log, a row per epoch."""
    best: float | None = None
    """Best value of the chosen metric."""
    best_epoch: int | None = None
    """Its epoch, from 1."""
    without_better: int = 0
    """Epochs since then."""
    seconds: float = 0.0
    """Time spent in all parts of the run."""
    epoch_seconds: float = 0.0
    """Time spent in this epoch, validation included."""
    learning_seconds: float = 0.0
    """Time spent in this epoch on batches and on waiting for them."""
    waited_seconds: float = 0.0
    """Time in which it waited for crops."""
    crops: int = 0
    """Crops learned from in this epoch, on all devices."""


class RunKeeper:
    """Keeps a run's folder up to date.

    Args:
        folder: of the run.
        record: what the run is.
        recipe: how it learns.
        truth: of the validation crops.
        per_epoch: batches of an epoch on each device.
        watcher: shown how far it is.
    """

    def __init__(
        self,
        folder: Path,
        record: RunRecord,
        recipe: Recipe,
        truth: Truth,
        *,
        per_epoch: int,
        watcher: Watcher,
    ) -> None:
        self._folder, self.record, self._recipe, self._truth = folder, record, recipe, truth
        self._per_epoch, self._watcher = per_epoch, watcher
        self.progress = Progress()
        self._clock: float | None = None
        self._drawn = -math.inf

    def batch_begins(self) -> None:
        """Count the time that the batch was waited for."""
        waited = self._elapsed()
        self.progress.waited_seconds += waited
        self.progress.learning_seconds += waited

    def batch_done(self, learning: Learning, *, crops: int) -> None:
        """Count, show, and write a checkpoint where one is due."""
        self.progress.learning_seconds += self._elapsed()
        self.progress.crops += crops * learning.trainer.world_size
        done = learning.batches_done
        inside = done % self._per_epoch
        if learning.global_rank == 0:
            mean = learning.loss_sum / (inside or self._per_epoch)
            self._watcher.batch(done, learning.total_batches, loss=mean)
        # the last batch of an epoch waits for the validation, so that no epoch goes unjudged
        if inside and not inside % self._recipe.accumulate and not done % self._every():
            self._checkpoint(learning)

    def validated(self, learning: Learning) -> None:
        """Judge an epoch: log, best weights, learning rate, early end."""
        self._elapsed()
        logits = learning.validation_logits()
        metrics = figures(logits, self._truth.is_fake, self._truth.videos)
        progress, metric = self.progress, self._recipe.selection
        progress.rows.append(self._row(learning, metrics))
        better = is_better(metrics[metric], progress.best, metric)
        progress.without_better = 0 if better else progress.without_better + 1
        if better:
            progress.best, progress.best_epoch = metrics[metric], len(progress.rows)
        if learning.plateau is not None and not learning.warming_up:
            learning.plateau.step(metrics["accuracy"])
        patience = self._recipe.early_stopping_epochs
        ended = patience is not None and progress.without_better >= patience
        learning.trainer.should_stop = ended
        self._next_epoch(learning)
        if learning.global_rank == 0:
            self._write(learning, logits, metrics, better=better, ended=ended)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.progress = Progress(**state)

    def _every(self) -> int:
        """Return the batches between checkpoints, whole steps of the optimiser."""
        accumulate = self._recipe.accumulate
        return max(1, self._recipe.checkpoint_steps // accumulate) * accumulate

    def _elapsed(self) -> float:
        """Return the seconds since the last call, and add them up."""
        now = time.perf_counter()
        passed = 0.0 if self._clock is None else now - self._clock
        self._clock = now
        self.progress.epoch_seconds += passed
        return passed

    def _row(self, learning: Learning, metrics: dict[str, float]) -> Row:
        progress = self.progress
        learning_seconds = max(progress.learning_seconds, 1e-9)
        return {
            "epoch": len(progress.rows) + 1,
            "batches": learning.batches_done,
            "learning_rate": learning.learning_rate,
            "training_loss": learning.loss_sum / self._per_epoch,
            **metrics,
            "seconds": round(progress.epoch_seconds, 3),
            "crops_per_second": round(progress.crops / learning_seconds, 2),
            "waited_ratio": round(progress.waited_seconds / learning_seconds, 4),
            "peak_device_mib": round(torch.cuda.max_memory_allocated() / 2**20)
            if learning.device.type == "cuda"
            else float("nan"),
        }

    def _next_epoch(self, learning: Learning) -> None:
        progress = self.progress
        progress.seconds += progress.epoch_seconds
        progress.epoch_seconds, progress.learning_seconds = 0.0, 0.0
        progress.waited_seconds, progress.crops = 0.0, 0
        learning.loss_sum = 0.0

    def _write(
        self,
        learning: Learning,
        logits: NDArray[np.float64],
        metrics: dict[str, float],
        *,
        better: bool,
        ended: bool,
    ) -> None:
        """Bring the folder up to date; the checkpoint last, so that it never runs ahead."""
        folder, progress = self._folder, self.progress
        changes: dict[str, Any] = {
            "epochs_done": len(progress.rows),
            "finished": ended or learning.batches_done >= learning.total_batches,
            "seconds": round(progress.seconds, 1),
        }
        if better:
            _save_weights(learning, folder / WEIGHTS)
            changes |= {
                "best_epoch": progress.best_epoch,
                "metrics": metrics,
                "weights_sha256": file_sha256(folder / WEIGHTS),
                "decision": _decision(
                    self._recipe, learning.strategy.log_odds, logits, self._truth
                ),
            }
        self.record = self.record.model_copy(update=changes)
        write_log(folder / LOG, progress.rows)
        _to_tensorboard(folder / TENSORBOARD, progress.rows[-1])
        log_epoch(learning.trainer.loggers, progress.rows[-1])
        if self.record.finished or time.monotonic() - self._drawn >= _DRAWN_SECONDS:
            draw_curves(
                progress.rows,
                folder / CURVES,
                title=self.record.name,
                best_epoch=progress.best_epoch,
            )
            self._drawn = time.monotonic()
        write_record(folder, self.record)
        self._checkpoint(learning)
        self._watcher.epoch(progress.rows[-1], best=better)

    def _checkpoint(self, learning: Learning) -> None:
        if learning.global_rank == 0:
            state = {"learning": learning.state(), "progress": dict(vars(self.progress))}
            write_whole(self._folder / CHECKPOINT, partial(_save_state, state))


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state that a run goes on from, or None before its first checkpoint.

    Only tensors and plain values are read; a file that holds anything else is refused.

    Raises:
        InputError: it is damaged, or not a checkpoint of a run.
    """
    import pickle

    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state.keys() != {"learning", "progress"}:
            raise TypeError("it has other parts")
    except (pickle.UnpicklingError, RuntimeError, EOFError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no checkpoint that can be read safely: {str(error).splitlines()[0]}",
            hint="remove it to train that run from its beginning",
        ) from error
    return state


def _save_state(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # of a full disk torch itself says nothing but "failed"
        torch.save(state, file)


def write_log(path: Path, rows: list[Row]) -> None:
    """Write the log as CSV; what was not measured is empty."""

    def write(half: Path) -> None:
        with half.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            for row in rows:
                # nan is unequal to itself
                writer.writerow({key: v if v == v else "" for key, v in row.items()})  # noqa: PLR0124

    write_whole(path, write)


def _save_weights(learning: Learning, path: Path) -> None:
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in plain_state(learning.judge).items()
    }
    write_whole(path, lambda half: half.write_bytes(save(state)))


def _decision(
    recipe: Recipe, log_odds: float | None, logits: NDArray[np.float64], truth: Truth
) -> Decision:
    """Return the threshold that the recipe's costs ask for.

    Smoothed labels draw the logits towards zero, the more the larger they are: no log odds either.
    """
    if recipe.label_smoothing:
        log_odds = None
    costs = Costs(**recipe.costs.model_dump())
    return Decision(
        costs=str(costs),
        prior_fake=costs.prior_fake,
        logit=threshold_for(costs, log_odds, logits, truth.is_fake),
        basis="validation" if log_odds is None else "bayes",
    )


def _to_tensorboard(folder: Path, row: Row) -> None:
    """Add an epoch; what a killed run had written after it is purged."""
    epoch = int(row["epoch"])
    with summary_writer()(str(folder), purge_step=epoch) as writer:
        for name, value in row.items():
            if value == value and name != "epoch":  # noqa: PLR0124 - nan is unequal to itself
                writer.add_scalar(name, value, epoch)
