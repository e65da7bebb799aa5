"""One training step and one validation, as Lightning wants them.

Pixels come as bytes and are normalised here, on the device. How far the run is (`batches_done`) is
counted here and not taken from the loop around it, so that a run that is resumed in the middle of
an epoch needs nothing of that loop's state.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any, Protocol

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from unmask.bundle.manifest import Preprocessing
from unmask.core.errors import TrainingStopped, UnmaskError
from unmask.training.hardware import keep_freed_memory
from unmask.training.imbalance import Strategy
from unmask.training.optimisation import make_optimiser, make_plateau_rule, rate_at, set_rate
from unmask.training.recipe import Recipe
from unmask.training.seam import SeamHead, seam_loss

Batch = tuple[Tensor, ...]
"""Pixels and labels; masks as well where a seam head learns."""
LOG = logging.getLogger("lightning.pytorch")


def hush() -> None:
    """Keep Lightning's remarks about its use off this process's terminal."""
    LOG.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")


class Edge(nn.Module):
    """From bytes to the network's input.

    Args:
        preprocessing: mean and deviation.
    """

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        shape = (3, 1, 1)
        mean, std = (torch.tensor(v).view(shape) for v in (preprocessing.mean, preprocessing.std))
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("offset", -mean / std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return normalised `(N, 3, H, W)`, channels last in memory, for bytes `(N, H, W, 3)`.

        Clips `(N, T, H, W, 3)` become `(N, T, 3, H, W)`.
        """
        return pixels.movedim(-1, -3).float() * self.scale + self.offset


def _raise_errors(batch: Batch | UnmaskError) -> Batch:
    """Return a batch, or raise the error that a loader's process handed over in its place."""
    if isinstance(batch, UnmaskError):
        raise batch
    return batch


class Keeper(Protocol):
    """Who keeps what a run learns; called on every device."""

    def batch_begins(self) -> None:
        """Note that a batch has arrived."""

    def batch_done(self, learning: Learning, *, crops: int) -> None:
        """Note that a batch was learned from."""

    def validated(self, learning: Learning) -> None:
        """Judge an epoch."""


class Learning(lightning.LightningModule):
    """A network that learns by a recipe.

    Args:
        network: gives the logit of P(fake), `(N,)`.
        recipe: of the run.
        strategy: against class imbalance.
        preprocessing: how pictures go into the network.
        total_batches: batches of the whole run on each device.
        validation_size: number of validation crops.
        keeper: told of every batch and every validation.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        strategy: Strategy,
        preprocessing: Preprocessing,
        *,
        total_batches: int,
        validation_size: int,
        keeper: Keeper,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.strategy, self.total_batches = recipe, strategy, total_batches
        self.edge = Edge(preprocessing)
        self.seam = SeamHead(network) if recipe.network.seam_weight else None
        self.average = (
            ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True)
            if recipe.ema_decay
            else None
        )
        learners = nn.ModuleList([network] if self.seam is None else [network, self.seam])
        self.optimiser = make_optimiser(learners, recipe.optimiser)
        self.plateau = (
            make_plateau_rule(self.optimiser, recipe.schedule)
            if recipe.schedule.name == "plateau"
            else None
        )
        if self.average is not None:
            self.average.requires_grad_(requires_grad=False)
        self.batches_done = 0
        self.loss_sum = 0.0
        """Sum of the batches' losses in this epoch."""
        self._logits = torch.zeros(validation_size)
        self._keeper = keeper
        self._precision_state: dict[str, Any] = {}

    @property
    def judge(self) -> nn.Module:
        """The network that is validated and kept."""
        kept: nn.Module = self.network if self.average is None else self.average.module
        return kept

    @property
    def learning_rate(self) -> float:
        """The present learning rate."""
        return float(self.optimiser.param_groups[0]["lr"])

    @property
    def warming_up(self) -> bool:
        """Whether the coming batch begins in the warm-up; the last of them has the full rate."""
        return self.batches_done / self.total_batches < self.recipe.schedule.warmup_ratio

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; learning rates are set before each step."""
        return self.optimiser

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's signature
        """Prepare the process's terminal; with several devices each has a process of its own."""
        hush()

    def on_train_batch_start(self, *_: Any) -> None:
        """Set the learning rate and seed of the step."""
        self._keeper.batch_begins()
        # dropout follows from (seed, step, device) alone
        torch.manual_seed(hash((self.recipe.seed, self.batches_done, self.global_rank)))
        if self.plateau is None or self.warming_up:
            done = (self.batches_done + 1) / self.total_batches
            set_rate(self.optimiser, rate_at(done, self.recipe))

    def training_step(self, batch: Batch | UnmaskError) -> Tensor:
        """Return the loss of a batch.

        Raises:
            TrainingStopped: it is no number.
            UnmaskError: the crops could not be read.
        """
        pixels, labels, *masks = _raise_errors(batch)
        logits, beside = self._score(self.edge(pixels), masks)
        smoothing = self.recipe.label_smoothing
        targets = labels * (1 - 2 * smoothing) + smoothing
        loss = self.strategy(logits, targets, done=self.batches_done / self.total_batches)
        loss = loss + beside
        value = float(loss.item())
        if not math.isfinite(value):
            raise TrainingStopped(
                f"the loss became {value} at batch {self.batches_done + 1} of {self.total_batches}",
                hint="lower optimiser.learning_rate, set optimiser.gradient_clip=1, or train with "
                "precision=32",
            )
        self.loss_sum += value
        return loss

    def _score(self, x: Tensor, masks: list[Tensor]) -> tuple[Tensor, Tensor | float]:
        """Return the logits, and the weighted loss of the seam head where there is one."""
        if self.seam is None:
            return self.network(x).float(), 0.0
        logits, seams = self.seam(self.network, x)
        return logits.float(), self.recipe.network.seam_weight * seam_loss(seams, masks[0])

    def on_train_batch_end(self, _: Any, batch: Batch, *__: Any) -> None:
        """Count, and follow with the averaged weights after each step of the optimiser."""
        self.batches_done += 1
        steps, rest = divmod(self.batches_done, self.recipe.accumulate)
        if self.average is not None and not rest:
            self.average.update(self.network, step=steps)
        self._keeper.batch_done(self, crops=len(batch[1]))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._logits.zero_()

    def validation_step(self, batch: Batch | UnmaskError) -> None:
        """Score a slice of the validation crops."""
        positions, pixels = _raise_errors(batch)
        self._logits[positions.cpu()] = self.judge(self.edge(pixels)).float().cpu()

    def on_validation_epoch_end(self) -> None:
        """Judge the epoch."""
        self._keeper.validated(self)

    def validation_logits(self) -> NDArray[np.float64]:
        """Return the logits of the validation crops, in their order, from all devices."""
        # each crop was scored on one device and is zero on the others
        gathered = self.trainer.strategy.reduce(self._logits.to(self.device), reduce_op="sum")
        logits: NDArray[np.float64] = gathered.double().cpu().numpy()
        return logits

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on: tensors and plain values only."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.module.state_dict(),
            "seam": None if self.seam is None else self.seam.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plateau": None if self.plateau is None else self.plateau.state_dict(),
            "batches_done": self.batches_done,
            "loss_sum": self.loss_sum,
            "precision": self.trainer.precision_plugin.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state; that of the loss scaler waits for the trainer."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])
        if self.seam is not None:
            self.seam.load_state_dict(state["seam"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])
        self.batches_done = int(state["batches_done"])
        self.loss_sum = float(state["loss_sum"])
        self._precision_state = state["precision"]

    def on_fit_start(self) -> None:
        """Prepare the process, of which several devices have several; go on with fp16's scaler."""
        if self.device.type == "cpu":
            keep_freed_memory()
        if self._precision_state:
            self.trainer.precision_plugin.load_state_dict(self._precision_state)
