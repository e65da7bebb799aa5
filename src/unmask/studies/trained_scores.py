"""Cells that train a network by a recipe and score crops that it has not seen.

PyTorch is imported when such a cell is measured, not before.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unmask.studies.cells import Cell, Factor, Measured, Place
from unmask.studies.crop_set import Material
from unmask.studies.resampling import Scored
from unmask.training.recipe import Recipe, built_in, load_recipe
from unmask.training.runs import RECIPE, RECORD, WEIGHTS

if TYPE_CHECKING:
    from unmask.training.networks.scoring_network import ScoringNetwork
    from unmask.training.runs import Run

_NO_MATTER = {"name", "description", "workers", "checkpoint_steps"}
"""Fields of a recipe that change nothing in what is learned."""
_BASE = "paper-xception"
_BATCH = 64
_TOLD = ("name", "label", "video", "target", "method", "person", "condition", "frame")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned, from what, and what it is judged by."""

    recipe: Recipe
    """Every setting of the training."""
    training: Material
    """Crops to learn from."""
    validation: Material
    """Crops to choose the epoch by."""
    test: Material
    """Crops to score."""


def recipe_for(network: str, changes: Sequence[str], **fields: object) -> Recipe:
    """Return the recipe of a network.

    Args:
        network: name of a recipe in the package, or timm's name of a network, which then takes the
            paper's recipe.
        changes: fields, as `--set` words them.
        fields: fields that the study itself sets, by name with `__` for a dot.
    """
    own = [f"{name.replace('__', '.')}={value}" for name, value in fields.items()]
    if network in built_in() or Path(network).is_file():
        return load_recipe(network, [*changes, *own])
    return load_recipe(_BASE, [f"network.backbone={network}", *changes, *own])


def lesson_cell(
    factors: dict[str, Factor], lesson: Lesson, *, device: str, keep: bool = False
) -> Cell:
    """Return the cell that trains and scores.

    Args:
        factors: where it stands in its study.
        lesson: what is learned.
        device: `auto`, `cpu` or `cuda`; no part of the identity.
        keep: whether the weights are kept for other cells.
    """
    content = {
        "what": "lesson",
        "recipe": lesson.recipe.model_dump(mode="json", exclude=_NO_MATTER),
        "training": lesson.training.sha256,
        "validation": lesson.validation.sha256,
        "test": lesson.test.sha256,
    }
    if lesson.recipe.imbalance.strategy == "paired":
        content["pairs"] = "nearest frames"  # cells of another pairing are made anew
    if lesson.recipe.network.mirrored:
        content["scored"] = "with mirror images"  # cells scored without them are made anew

    def measure(place: Place) -> Measured:
        run = _train(lesson, place.work, device)
        if keep:
            place.kept.mkdir(exist_ok=True)
            for name in (RECIPE, RECORD, WEIGHTS):
                shutil.copyfile(run.folder / name, place.kept / name)
        began = time.perf_counter()
        logits = scores(load_network(run.folder), lesson.test, run.size_px)
        figures = {
            "scoring_seconds": time.perf_counter() - began,
            "scored_crops": float(len(lesson.test)),
            "training_seconds": run.record.seconds,
            "training_crops": float(len(lesson.training)),
            "epochs": float(run.record.epochs_done),
        }
        table = lesson.test.table.select(_TOLD).append_column("logit", pa.array(logits))
        return Measured(table, figures)

    return Cell(factors, content, measure, (RECIPE, RECORD, WEIGHTS) if keep else ())


def _train(lesson: Lesson, work: Path, device: str) -> Run:
    """Train in the work folder, or go on with what a killed process had begun there."""
    from unmask.training.engine import resume, train
    from unmask.training.hardware import Hardware

    sides = [work / "training.parquet", work / "validation.parquet"]
    for path, material in zip(sides, (lesson.training, lesson.validation), strict=True):
        material.write(path)
    hardware = Hardware(device)  # type: ignore[arg-type]  # checked there
    folder = work / "run"
    if (folder / RECORD).is_file():
        return resume(folder, hardware=hardware, watcher=_Silent())
    shutil.rmtree(folder, ignore_errors=True)
    return train(lesson.recipe, sides[:1], sides[1:], folder, hardware=hardware, watcher=_Silent())


def load_network(folder: Path) -> ScoringNetwork:
    """Return the network of a run's folder with its best weights, on the CPU."""
    from unmask.training import trained_network
    from unmask.training.runs import read_run

    return trained_network.load_network(read_run(folder))


def scores(network: ScoringNetwork, crops: Material, size_px: int) -> NDArray[np.float64]:
    """Return the logit of each crop, `(N,)`."""
    import torch

    from unmask.studies.pictures import decode_pixels
    from unmask.training.lightning_module import Edge
    from unmask.training.networks.network import read_preprocessing

    edge = Edge(read_preprocessing(network, size_px))
    logits = []
    with torch.inference_mode():
        for first in range(0, len(crops), _BATCH):
            pixels = decode_pixels(crops, size_px, range(first, min(first + _BATCH, len(crops))))
            logits.append(network(edge(torch.from_numpy(pixels))).double().numpy())
    return np.concatenate(logits)


class _Silent:
    """A watcher that shows nothing: the study shows its cells."""

    def begins(self, record: Any) -> None:
        """Show nothing."""

    def batch(self, done: int, total: int, *, loss: float) -> None:
        """Show nothing."""

    def epoch(self, row: Any, *, best: bool) -> None:
        """Show nothing."""


def scored_crops(
    table: pa.Table, seed: str, *, cluster: str = "target", keep: NDArray[np.bool_] | None = None
) -> Scored:
    """Return a lesson's scores crop by crop.

    Args:
        table: of a lesson's cell.
        seed: name of the seed.
        cluster: column that names what an interval draws.
        keep: `(N,)` which rows count; None for all.
    """
    rows = table if keep is None else table.filter(pa.array(keep))
    return Scored(
        seed=seed,
        logit=np.asarray(rows["logit"], dtype=np.float64),
        is_fake=np.array([label == "fake" for label in rows["label"].to_pylist()], dtype=np.bool_),
        cluster=np.array(rows[cluster].to_pylist(), dtype=object),
    )


def scored_videos(table: pa.Table, seed: str, *, keep: NDArray[np.bool_] | None = None) -> Scored:
    """Return a lesson's scores video by video: the mean logit of a video's crops."""
    crops = table if keep is None else table.filter(pa.array(keep))
    means = crops.group_by(["video", "label", "target"]).aggregate([("logit", "mean")])
    return scored_crops(means.rename_columns(["video", "label", "target", "logit"]), seed)
