"""Validation figures beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from unmask.core.errors import TrainingStopped
from unmask.training.validation_metrics import figures, is_better

rng = np.random.default_rng(0)
IS_FAKE = np.repeat([False, True], [30, 70])
LOGITS = rng.normal(0, 1, 100) + IS_FAKE
VIDEOS = [f"v{n // 5}" for n in range(100)]


def test_figures_are_scikit_learns() -> None:
    result = figures(LOGITS, IS_FAKE, VIDEOS)
    called, scores = LOGITS >= 0, 1 / (1 + np.exp(-LOGITS))
    assert result["accuracy"] == pytest.approx(accuracy_score(IS_FAKE, called))
    assert result["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(IS_FAKE, called))
    assert result["auc"] == pytest.approx(roc_auc_score(IS_FAKE, LOGITS))
    assert result["loss"] == pytest.approx(log_loss(IS_FAKE, scores))
    means = scores.reshape(20, 5).mean(axis=1)
    assert result["video_auc"] == pytest.approx(roc_auc_score(IS_FAKE[::5], means))
    assert result["video_auc"] != pytest.approx(result["auc"])


def test_logits_that_are_no_numbers_stop_the_run() -> None:
    broken = LOGITS.copy()
    broken[3:5] = np.nan, np.inf
    with pytest.raises(TrainingStopped, match="2 of 100 validation logits are no number"):
        figures(broken, IS_FAKE, VIDEOS)


def test_the_first_of_equally_good_epochs_stays() -> None:
    assert is_better(0.1, None, "auc")
    assert not is_better(0.7, 0.7, "auc")
    assert is_better(0.8, 0.7, "auc")
    assert is_better(0.6, 0.7, "loss")
