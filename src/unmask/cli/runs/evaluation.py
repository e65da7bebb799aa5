"""What the commands of evaluation have in common: settings, splits, warnings, JSON."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import typer

from unmask.core.errors import ManifestError
from unmask.core.text import visible
from unmask.datasets.manifest import Split
from unmask.evaluation.metrics import CostMatrix
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.results import EvaluationSettings, VideoCount
from unmask.system.files import write_text


def parse_split(name: str | None) -> Split | None:
    """Return a split by name.

    Raises:
        ValueError: there is no such split.
    """
    if name not in {None, *get_args(Split)}:
        raise ValueError(f"--split must be one of {', '.join(get_args(Split))}, got {name!r}")
    return cast("Split | None", name)


def parse_costs(text: str, *, prior: float = 0.5) -> CostMatrix:
    """Read costs such as `1:10`, a false alarm and a miss.

    Raises:
        ValueError: they are none.
    """
    alarm, colon, miss = text.partition(":")
    try:
        return CostMatrix(float(miss if colon else "none"), float(alarm), prior)
    except ValueError as error:
        raise ValueError(f"--cost takes FALSE-ALARM:MISS, such as 1:10, got {text!r}") from error


def read_settings(
    *, threshold: str, cost: str = "1:1", prior: float = 0.5, **options: Any
) -> EvaluationSettings:
    """Return the settings of the options."""
    try:
        chosen: str | float = float(threshold)
    except ValueError:
        chosen = threshold
    return EvaluationSettings(threshold=chosen, costs=parse_costs(cost, prior=prior), **options)


def count_videos(count: VideoCount) -> str:
    """Say how videos ended."""
    text = f"videos: {count.done} done, {count.empty} empty, {count.failed} failed"
    return text + (f", {count.missing} not tried" if count.missing else "")


def warn(warnings: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for warning in warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)


def select_split(predictions: Predictions, split: Split | None) -> Predictions:
    """Return the rows of a split; all where None is asked for.

    Raises:
        ManifestError: there are none.
    """
    if split in {None, predictions.info.settings.get("split")}:
        return predictions
    keep = predictions.words["split"] == split
    if not keep.any():
        raise ManifestError(
            f"no row is of the split {split}", hint="leave --split away, or predict that split"
        )
    left = predictions.where(keep)
    videos = len(set(left.video_id))
    settings = {**left.info.settings, "split": split}
    info = left.info.model_copy(update={"videos_expected": videos, "settings": settings})
    return replace(left, info=info)


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write plain values as JSON; `-` prints them."""
    text = json_module.dumps(document, indent=1, allow_nan=False)
    if path == Path("-"):
        typer.echo(text)
    else:
        write_text(path, text + "\n")
