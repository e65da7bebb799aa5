"""Running `unmask card`: a card, with new figures where predictions are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from unmask.bundle.card import card
from unmask.bundle.catalogue import find
from unmask.bundle.manifest import BundleManifest, Metric, load_bundle
from unmask.cli.runs.evaluation import parse_split, select_split, warn
from unmask.datasets.manifest import Split
from unmask.evaluation.calibration import check_same_model
from unmask.evaluation.card import headline_metrics, save
from unmask.evaluation.composer import evaluate as evaluate_predictions
from unmask.evaluation.predictions import Predictions, read_predictions
from unmask.evaluation.results import EvaluationSettings
from unmask.explain.faithfulness_results import is_map_metric


def run_card(
    detector: str,
    paths: Sequence[Path],
    *,
    split: str | None,
    write: bool,
    level: Any,
    aggregation: str,
) -> int:
    """Print a card, measured anew where predictions are given."""
    part = parse_split(split)
    folder = find(detector)
    manifest = load_bundle(folder).manifest
    figures: list[Metric] = []
    for path in paths:
        predictions = _for_card(read_predictions(path), manifest, part)
        settings = EvaluationSettings(level=level, aggregation=aggregation)
        evaluation = evaluate_predictions(predictions, settings)
        warn(evaluation.warnings)
        figures += headline_metrics(evaluation)
    if figures:
        kept = tuple(metric for metric in manifest.metrics if is_map_metric(metric))
        manifest = manifest.model_copy(update={"metrics": (*figures, *kept)})
    if write:
        save(folder, manifest)
    typer.echo(card(manifest), nl=False)
    return 0


def _for_card(
    predictions: Predictions, manifest: BundleManifest, split: Split | None
) -> Predictions:
    """Return the rows that a card tells of, as the detector is calibrated now.

    Args:
        predictions: of the detector; it may have been calibrated since.
        manifest: the detector's.
        split: the one asked for; None takes the test rows where there are some.
    """
    check_same_model(manifest, predictions)
    if split is None and "test" in predictions.words["split"]:
        split = "test"
    now = {"calibration": manifest.calibration, "operating_points": manifest.operating_points}
    info = predictions.info.model_copy(update=now)
    return select_split(replace(predictions, info=info), split)
