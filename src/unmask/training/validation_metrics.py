"""Validation figures of an epoch, from logits. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import TrainingStopped
from unmask.training.recipe import Metric

Logits = NDArray[np.float64]


def figures(logits: Logits, is_fake: NDArray[np.bool_], videos: Sequence[str]) -> dict[str, float]:
    """Return accuracy, balanced accuracy, AUC, AUC over videos, and loss.

    Accuracies are at P(fake) = 0.5, as the paper's; a video's score is the mean P(fake) of its
    crops; the loss is the cross-entropy without class weights.

    Args:
        logits: `(N,)`.
        is_fake: `(N,)`, both classes present.
        videos: `(N,)` the video of each crop; crops of a video have one label.

    Raises:
        TrainingStopped: a logit is no number.
    """
    from sklearn.metrics import roc_auc_score

    if not np.isfinite(logits).all():
        raise TrainingStopped(
            f"{int((~np.isfinite(logits)).sum())} of {len(logits)} validation logits are no number",
            hint="lower optimiser.learning_rate, or train with --set precision=32",
        )
    right = (logits >= 0) == is_fake
    scores = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    by_video, video_is_fake = _means(scores, is_fake, videos)
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float((right[is_fake].mean() + right[~is_fake].mean()) / 2),
        "auc": float(roc_auc_score(is_fake, logits)),
        "video_auc": float(roc_auc_score(video_is_fake, by_video)),
        "loss": float(np.logaddexp(0, np.where(is_fake, -logits, logits)).mean()),
    }


def _means(
    scores: Logits, is_fake: NDArray[np.bool_], videos: Sequence[str]
) -> tuple[Logits, NDArray[np.bool_]]:
    """Return the mean score and the label of each video."""
    _, first, number = np.unique(np.asarray(videos), return_index=True, return_inverse=True)
    return np.bincount(number, weights=scores) / np.bincount(number), is_fake[first]


def is_better(value: float, best: float | None, metric: Metric) -> bool:
    """Tell whether a value beats the best so far; of equal ones the earlier stays."""
    if best is None:
        return True
    return value < best if metric == "loss" else value > best
