"""Where a run's figures go beside its own log: Weights & Biases or MLflow, by Lightning's loggers.

Nothing is sent unless a server is named in the variables that these tools read themselves:
`WANDB_MODE=online`, `MLFLOW_TRACKING_URI`. Without them they write into the run's folder, from
where `wandb sync` sends a run and `mlflow ui` shows it. TensorBoard's files are always written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unmask.core.errors import InputError
from unmask.training.recipe import Recipe

PROJECT = "unmask"
"""Project or experiment that runs are filed under."""


def _wandb(folder: Path, recipe: Recipe) -> Any:
    from lightning.pytorch.loggers import WandbLogger

    offline = os.environ.get("WANDB_MODE", "offline") != "online"
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    return WandbLogger(name=recipe.name, save_dir=folder, project=project, offline=offline)


def _mlflow(folder: Path, recipe: Recipe) -> Any:
    from lightning.pytorch.loggers import MLFlowLogger

    own = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    return MLFlowLogger(
        experiment_name=PROJECT,
        run_name=recipe.name,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", own),
        artifact_location=None if "MLFLOW_TRACKING_URI" in os.environ else str(folder / "mlflow"),
    )


LOGGERS: dict[str, Callable[[Path, Recipe], Any]] = {"wandb": _wandb, "mlflow": _mlflow}
"""Loggers by name."""


def summary_writer() -> Any:
    """Import TensorBoard's writer without boto3, whose import opens a socket to this machine.

    It is taken for files in object stores; a run's are in its folder.
    """
    absent = "boto3" not in sys.modules
    if absent:
        sys.modules["boto3"] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        from torch.utils.tensorboard import SummaryWriter
    finally:
        if absent:
            del sys.modules["boto3"]
    return SummaryWriter


def check_logger(name: str | None) -> None:
    """Refuse a logger that cannot be made, before anything is read or written.

    Raises:
        InputError: there is no such logger, or its package is not installed.
    """
    if name is None:
        return
    if name not in LOGGERS:
        raise InputError(
            f"no logger {name!r}", hint=f"there are: {', '.join(LOGGERS)}; TensorBoard is always on"
        )
    if find_spec(name) is None:
        raise InputError(
            f"the logger {name} is not installed", hint="pip install 'unmask[loggers]'"
        )


def make_logger(name: str, folder: Path, recipe: Recipe) -> Any:
    """Make a logger that `check_logger` let pass, and note the recipe with it.

    Args:
        name: one of `LOGGERS`.
        folder: of the run.
        recipe: of the run.
    """
    logger = LOGGERS[name](folder, recipe)
    logger.log_hyperparams(recipe.model_dump(mode="json"))
    return logger


def log_epoch(loggers: Iterable[Any], row: dict[str, float]) -> None:
    """Hand an epoch's figures to loggers; what was not measured is left out."""
    measured = {name: value for name, value in row.items() if value == value}  # noqa: PLR0124 - nan is unequal to itself
    for each in loggers:
        each.log_metrics(measured, step=int(row["epoch"]))
