"""Folds, each scored by another network: means of figures, never one pooled ranking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from predicted import changed, drawn, predictions, row
from unmask.core.errors import ManifestError
from unmask.evaluation.composer import evaluate
from unmask.evaluation.folds import evaluate_folds
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.results import EvaluationSettings

FAST = EvaluationSettings(replicates=40)


def renamed(rows: list[PredictionRow], by: float = 0.0) -> list[PredictionRow]:
    """Return rows of other videos of the same clips, all scores shifted as by another network."""
    return [
        replace(changed(r, video_id=f"w{r.crop.video_id}"), logit=(r.logit or 0.0) + by)
        for r in rows
    ]


def test_figures_are_means_over_folds_and_scores_are_not_pooled() -> None:
    one, other = drawn(60, 1), renamed(drawn(40, 1, seed=1), by=9.0)
    result = evaluate_folds([predictions(one), predictions(other)], FAST)
    aucs = [
        roc_auc_score([r.crop.label == "fake" for r in rows], [r.logit for r in rows])
        for rows in (one, other)
    ]
    (mean,) = result.means
    assert mean.figure("AUC").value == pytest.approx(np.mean(aucs))
    assert [fold.overall.figure("AUC").value for fold in result.each] == pytest.approx(aucs)
    assert (mean.reals, mean.fakes) == (50, 50)
    assert result.enough


def test_a_cluster_of_two_folds_is_drawn_for_both() -> None:
    rows = drawn(60, 1)
    alone = evaluate(predictions(rows), FAST).overall
    both = evaluate_folds([predictions(rows), predictions(renamed(rows))], FAST)
    assert both.means[0].clusters == alone.clusters
    for name in ("AUC", "balanced accuracy", "Brier score"):
        assert both.means[0].figure(name) == alone.figure(name)


def test_failures_of_a_fold_are_counted_against_it_beside_what_was_analysed() -> None:
    rows = [row("r", "real", -1.0), row("f", "fake", 1.0), row("g", "fake", None)]
    whole = [row("s", "real", -1.0), row("h", "fake", 1.0)]
    result = evaluate_folds([predictions(rows), predictions(whole)], FAST)
    recalls = [(m.counting, m.figure("recall, fake").value) for m in result.means]
    assert recalls == [("analysed", 1.0), ("failures count against it", 0.75)]
    assert not result.enough


def test_a_figure_that_one_fold_cannot_carry_has_no_mean() -> None:
    result = evaluate_folds(
        [predictions(drawn(60, 1)), predictions([row("r", "real", -1.0)])], FAST
    )
    auc = result.means[0].figure("AUC")
    assert (auc.value, auc.reason) == (None, "not in each fold: 0 fakes, at least 1 needed")


def test_files_that_share_a_video_are_no_folds() -> None:
    with pytest.raises(ManifestError, match=r"'v000\.mp4' is in two of the files"):
        evaluate_folds([predictions(drawn(60, 1)), predictions(drawn(40, 1))], FAST)
