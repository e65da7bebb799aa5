"""Training from a recipe to a run folder, on Lightning; and going on with a run that was stopped.

Lightning brings the step to the device: precision, several devices, accumulation, clipping. What is
learned from and in which order, the learning rate and the dropout of each step follow from the seed
and the number of the step; the checkpoint holds the rest. So a run that was killed goes on to the
weights of an unbroken one, bit for bit on a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import lightning
import torch
from torch.multiprocessing import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset, Sampler

from unmask.core.errors import InputError, RecipeError, TrainingStopped, UnmaskError
from unmask.core.settings import DEFAULT_MARGIN_RATIO
from unmask.system.files import drop_partials, write_text
from unmask.system.provenance import versions
from unmask.system.remote_files import absolute_path
from unmask.training.batches import (
    TrainingBatches,
    ValidationBatches,
    blended_pairs,
    drawn_crops,
)
from unmask.training.checkpoints import RunKeeper, Truth, Unwatched, Watcher, read_checkpoint
from unmask.training.hardware import Hardware, lightning_precision, resolve_precision
from unmask.training.imbalance import Counts, Strategy, make_strategy
from unmask.training.lightning_module import LOG, Learning, hush
from unmask.training.loggers import check_logger, make_logger
from unmask.training.networks.clip_network import SpaceTimeNetwork, TemporalHead
from unmask.training.networks.depthwise import quicken
from unmask.training.networks.network import read_preprocessing
from unmask.training.networks.tuning import choose_trained
from unmask.training.processes import agree, connected, is_first, trainer_options
from unmask.training.recipe import Recipe, to_yaml
from unmask.training.runs import (
    CHECKPOINT,
    RECIPE,
    RECORD,
    WEIGHTS,
    Run,
    RunRecord,
    read_run,
    write_record,
)
from unmask.training.train_validation_split import Sides, reread_sides, sides_for
from unmask.training.trained_network import TrainedNetwork, make_network
from unmask.training.validation_list import write_list

_VERSIONED = ("torch", "timm", "lightning")
_VALIDATION_BATCH = 64


class _Numbers(Sampler[int]):
    """Numbers in order, for one of several devices."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class _Told(Dataset):
    """Items, and in place of one that cannot be made the error that says why.

    PyTorch would raise a worker's error again without its hint, as another kind.
    """

    def __init__(self, items: TrainingBatches | ValidationBatches) -> None:
        self._items = items

    def __getitem__(self, number: int) -> object:
        try:
            return self._items[number]
        except UnmaskError as error:
            return error


class Loaders(lightning.LightningDataModule):
    """Batches from where the run stands to the end of the epoch, and the validation crops.

    Args:
        batches: of the whole run.
        validation: slices of the validation crops.
        learning: knows how far the run is.
        workers: processes that make batches.
    """

    def __init__(
        self,
        batches: TrainingBatches,
        validation: ValidationBatches,
        learning: Learning,
        *,
        workers: int,
    ) -> None:
        super().__init__()
        self._batches, self._validation = batches, validation
        self._learning, self._workers = learning, workers

    def train_dataloader(self) -> DataLoader:
        """Return what is left of the epoch."""
        devices, rank = self._learning.trainer.world_size, self._learning.trainer.global_rank
        done, per_epoch = self._learning.batches_done, self._batches.per_epoch
        end = (done // per_epoch + 1) * per_epoch
        return self._loader(self._batches, range(done * devices + rank, end * devices, devices))

    def val_dataloader(self) -> DataLoader:
        """Return the slices of this device."""
        devices, rank = self._learning.trainer.world_size, self._learning.trainer.global_rank
        return self._loader(self._validation, range(rank, len(self._validation), devices))

    def _loader(self, items: TrainingBatches | ValidationBatches, numbers: range) -> DataLoader:
        return DataLoader(
            _Told(items),
            batch_size=None,
            sampler=_Numbers(numbers),
            num_workers=self._workers,
            pin_memory=self._learning.device.type == "cuda",
        )


def train(
    recipe: Recipe,
    training: Sequence[str | Path],
    validation: Sequence[str | Path],
    folder: str | Path,
    *,
    hardware: Hardware,
    watcher: Watcher | None = None,
    command: str = "",
    fold: int | None = None,
    logger: str | None = None,
) -> Run:
    """Train by a recipe and return the finished run.

    A folder whose run was stopped before its first checkpoint is taken over: nothing is lost.

    Args:
        recipe: every setting.
        training: crop stores or Parquet files.
        validation: the same; empty to take what the stores mark, or else to carve.
        folder: of the run, made here.
        hardware: what to train on.
        watcher: shown how far it is; None for nobody.
        command: noted in the run.
        fold: this fold of the training crops is held out: its crops are never read.
        logger: what else is told of every epoch, one of `loggers.LOGGERS`.

    Raises:
        InputError: the recipe, the crops or the folder cannot be used.
        TrainingStopped: the loss is no longer a number.
    """
    begin = partial(
        _new_run,
        recipe,
        training,
        validation,
        Path(folder),
        hardware=hardware,
        command=command,
        fold=fold,
        logger=logger,
    )
    return _run(begin, hardware=hardware, watcher=watcher or Unwatched(), logger=logger)


@dataclass(frozen=True, eq=False)
class _Start:
    """All that a run needs before its first step."""

    recipe: Recipe
    network: TrainedNetwork
    sides: Sides
    run: Run


def _new_run(
    recipe: Recipe,
    training: Sequence[str | Path],
    validation: Sequence[str | Path],
    folder: Path,
    *,
    hardware: Hardware,
    command: str,
    fold: int | None,
    logger: str | None,
) -> _Start:
    """Check a new run and make its folder."""
    if (folder / RECORD).exists() and any((folder / n).exists() for n in (CHECKPOINT, WEIGHTS)):
        raise InputError(
            f"{str(folder)!r} already holds a run",
            hint=f"go on with it: unmask train --resume {folder}; or name another folder with -o",
        )
    check_logger(logger)
    sides = sides_for(recipe, training, validation, fold=fold)
    network = _network(recipe, hardware)
    _check_input(network, recipe)
    precision = resolve_precision(
        recipe.precision, network, size_px=recipe.network.size_px, hardware=hardware
    )
    recipe = recipe.model_copy(update={"precision": precision})
    record = _record(
        recipe,
        network,
        sides,
        training=training,
        validation=validation,
        hardware=hardware,
        command=command,
    )
    _check_steps(recipe, sides, hardware)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, to_yaml(recipe))
    write_list(folder, sides.validation)
    write_record(folder, record)
    return _Start(recipe, network, sides, Run(folder, record))


def resume(
    folder: str | Path, *, hardware: Hardware, watcher: Watcher, logger: str | None = None
) -> Run:
    """Go on with a run at its last checkpoint; one that is finished is returned as it is.

    Raises:
        InputError: there is no such run, it is damaged, its crops have changed, or it began on
            another number of devices.
        TrainingStopped: the loss is no longer a number.
    """
    run = read_run(folder)
    if run.record.finished:
        if not run.validation_list.is_file():  # a run of an earlier version
            with suppress(UnmaskError):  # its crops have moved; an export says what it lacks
                write_list(run.folder, reread_sides(run, run.recipe).validation)
        return run
    check_logger(logger)
    _check_devices(run, hardware)

    def begin() -> _Start:
        start = _reread(run.recipe, run, hardware)
        drop_partials(run.folder)
        write_list(run.folder, start.sides.validation)  # a run of an earlier version has none
        return start

    return _run(begin, hardware=hardware, watcher=watcher, logger=logger)


def _reread(recipe: Recipe, run: Run, hardware: Hardware) -> _Start:
    """Read again what a run learns from."""
    sides = reread_sides(run, recipe)
    return _Start(recipe, _network(recipe, hardware), sides, run)


def _run(
    begin: Callable[[], _Start], *, hardware: Hardware, watcher: Watcher, logger: str | None
) -> Run:
    """Train from a start on which all processes of the run agree."""
    with connected(hardware):
        if hardware.launcher == "lightning":
            return _fit(begin(), hardware=hardware, watcher=watcher, logger=logger)
        start = agree(
            begin,
            lambda start: (start.recipe, start.run),
            lambda recipe, run: _reread(recipe, run, hardware),
        )
        return _fit(start, hardware=hardware, watcher=watcher, logger=logger)


def _check_devices(run: Run, hardware: Hardware) -> None:
    """Refuse another number of devices: batches and learning rates are counted by steps of all."""
    devices = run.record.devices
    if devices not in {None, hardware.devices}:
        raise InputError(
            f"{str(run.folder)!r} began with --devices {devices}, got {hardware.devices}",
            hint=f"go on with: unmask train --resume {run.folder} --device {hardware.device} "
            f"--devices {devices}",
        )


def _network(recipe: Recipe, hardware: Hardware) -> TrainedNetwork:
    """Make the network, quick on a CPU; random weights follow from the seed."""
    part = recipe.network
    torch.manual_seed(recipe.seed)
    weights: Literal["imagenet"] | Path | None = None
    if part.weights is not None:
        weights = "imagenet" if part.weights == "imagenet" else Path(part.weights)
    network = make_network(part, weights=weights)
    if hardware.kind == "cpu":
        quicken(network)
    if not isinstance(network, SpaceTimeNetwork):
        of_pictures = network.frame_network if isinstance(network, TemporalHead) else network
        choose_trained(of_pictures, part.tune, rank=part.lora_rank)
    return network


def _record(
    recipe: Recipe,
    network: TrainedNetwork,
    sides: Sides,
    *,
    training: Sequence[str | Path],
    validation: Sequence[str | Path],
    hardware: Hardware,
    command: str,
) -> RunRecord:
    part = recipe.network
    margin = sides.margin_ratio(part.margin_ratio) or DEFAULT_MARGIN_RATIO
    return RunRecord(
        name=recipe.name,
        backbone=part.backbone,
        head_width=part.head_width,
        dropout=part.dropout,
        preprocessing=read_preprocessing(
            network, part.size_px, margin_ratio=margin, shift_y_ratio=part.shift_y_ratio
        ),
        data=sides.data,
        training_paths=tuple(map(absolute_path, training)),
        validation_paths=tuple(map(absolute_path, validation)),
        seed=recipe.seed,
        selection=recipe.selection,
        versions=versions() | {name: version(name) for name in _VERSIONED},
        command=command,
        device=str(hardware),
        devices=hardware.devices,
    )


def strategy_for(recipe: Recipe, sides: Sides) -> Strategy:
    """Return the strategy against imbalance, for the crops as the loss will see them."""
    if recipe.augmentation.blends_only:
        return make_strategy(recipe.imbalance, Counts(1, 1))  # each real crop with its blend
    fakes = sides.training.is_fake[drawn_crops(sides.training, recipe)]
    counts = Counts(int((~fakes).sum()), int(fakes.sum()))
    ratio = 2 * blended_pairs(recipe) / recipe.batch_size
    return make_strategy(recipe.imbalance, counts.with_blends(ratio))


def _batches(recipe: Recipe, sides: Sides, hardware: Hardware) -> TrainingBatches:
    order = strategy_for(recipe, sides).order
    return TrainingBatches(sides.training, order, recipe, devices=hardware.devices)


def _check_input(network: TrainedNetwork, recipe: Recipe) -> None:
    """Refuse before anything is written a network that cannot take crops of the recipe's sizes.

    Raises:
        RecipeError: its layers do not fit, or it gives no feature map.
    """
    part = recipe.network
    network.eval()
    for size in {part.size_px, part.early_size_px or part.size_px}:
        try:
            with torch.inference_mode():
                network(network.blank(1, size))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise RecipeError(
                f"{part.backbone} cannot take crops of {size} px: {str(error).splitlines()[0]}",
                hint="raise network.size_px, or take another convolutional network",
            ) from error
    network.train()


def _check_steps(recipe: Recipe, sides: Sides, hardware: Hardware) -> None:
    """Refuse before anything is written what cannot make one step."""
    _batches(recipe, sides, hardware)


def _fit(start: _Start, *, hardware: Hardware, watcher: Watcher, logger: str | None) -> Run:
    recipe, sides, run = start.recipe, start.sides, start.run
    batches = _batches(recipe, sides, hardware)
    truth = Truth(sides.validation.is_fake, sides.validation.videos)
    keeper = RunKeeper(
        run.folder, run.record, recipe, truth, per_epoch=batches.per_epoch, watcher=watcher
    )
    learning = Learning(
        start.network,
        recipe,
        strategy_for(recipe, sides),
        run.preprocessing,
        total_batches=batches.per_epoch * recipe.epochs,
        validation_size=len(sides.validation),
        keeper=keeper,
    )
    if (state := read_checkpoint(run.checkpoint)) is not None:
        learning.load(state["learning"])
        keeper.load(state["progress"])
    slices = ValidationBatches(
        sides.validation,
        size_px=recipe.network.size_px,
        # every device needs a slice
        batch_size=max(1, min(_VALIDATION_BATCH, len(sides.validation) // hardware.devices)),
    )
    loaders = Loaders(batches, slices, learning, workers=recipe.workers)
    if is_first():
        watcher.begins(run.record.model_copy(update={"device": str(hardware)}))
    with _quiet():
        epochs_left = recipe.epochs - learning.batches_done // batches.per_epoch
        told = logger if is_first() else None
        epoch_logger = False if told is None else make_logger(told, run.folder, recipe)
        trainer = _trainer(recipe, hardware, epochs=epochs_left, logger=epoch_logger)
        trainer.fit(learning, datamodule=loaders)
    return read_run(run.folder)


def _trainer(recipe: Recipe, hardware: Hardware, *, epochs: int, logger: Any) -> lightning.Trainer:
    several = hardware.devices > 1
    if several:
        # file descriptors of hundreds of tensors do not all arrive in another process
        torch.multiprocessing.set_sharing_strategy("file_system")
    return lightning.Trainer(
        accelerator=hardware.kind,
        precision=cast("Literal['32-true']", lightning_precision(recipe.precision)),
        max_epochs=epochs,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.optimiser.gradient_clip,
        sync_batchnorm=several and hardware.kind == "cuda",  # PyTorch has none for CPUs
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer_options(hardware),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's remarks off the terminal; hand on an interruption as one."""
    level = LOG.level
    try:
        with warnings.catch_warnings():
            hush()
            yield
    except ProcessRaisedException as error:
        raise TrainingStopped(
            f"one of the devices failed: {str(error).strip().splitlines()[-1]}",
            hint="train on one device to see more",
        ) from error
    except SystemExit as error:
        # Lightning turns an interruption into an exit
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        LOG.setLevel(level)
