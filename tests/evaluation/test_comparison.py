"""Two detectors on the same videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from predicted import drawn, predictions, row
from unmask.core.errors import ManifestError
from unmask.evaluation.comparison import compare
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.results import EvaluationSettings

FAST = EvaluationSettings(replicates=100, threshold=0.0)


def noisy(rows: list[PredictionRow], noise: float) -> list[PredictionRow]:
    rng = np.random.default_rng(9)
    return [replace(r, logit=(r.logit or 0) + float(rng.normal(0, noise))) for r in rows]


def test_the_better_detector_is_ahead() -> None:
    rows = drawn(200, 1)
    result = compare(predictions(rows), predictions(noisy(rows, 3.0)), FAST)
    auc = result.differences[0]
    assert auc.name == "AUC"
    assert auc.interval is not None
    assert auc.interval.low > 0
    assert auc.p_value is not None
    assert auc.p_value < 0.05


def test_tests_for_single_units_are_given_only_without_shared_clusters() -> None:
    rows = drawn(100, 1)
    shared = compare(predictions(rows), predictions(noisy(rows, 1.0)), FAST)
    assert shared.delong is shared.mcnemar is None
    apart = EvaluationSettings(replicates=20, threshold=0.0, cluster_by="video")
    alone = compare(predictions(rows), predictions(noisy(rows, 1.0)), apart)
    assert alone.delong is not None
    assert alone.delong.difference == pytest.approx(alone.differences[0].difference)
    assert alone.mcnemar is not None
    right = alone.mcnemar.only_first_right - alone.mcnemar.only_second_right
    accuracy = next(d for d in alone.differences if d.name == "accuracy")
    assert right / 100 == pytest.approx(accuracy.difference)


def test_what_only_one_could_score_counts_against_the_other() -> None:
    rows = drawn(40, 1)
    failing = [replace(r, logit=None, status="failed") if n < 10 else r for n, r in enumerate(rows)]
    result = compare(predictions(rows), predictions(failing), FAST)
    assert result.failures == (0, 10)
    assert result.differences[0].difference > 0
    assert not result.enough(0.95)


def test_failures_count_against_it_at_a_threshold_beyond_all_scores() -> None:
    rows = drawn(40, 1)
    failing = [r if r.crop.is_fake else replace(r, logit=None, status="failed") for r in rows]
    strict = EvaluationSettings(replicates=2, threshold=9.0)
    result = compare(predictions(rows), predictions(failing), strict)
    recall = next(d for d in result.differences if d.name == "recall, real")
    assert (recall.first, recall.second) == (1.0, 0.0)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = drawn(60, 1)
    one = compare(predictions(rows), predictions(noisy(rows, 1.0)), FAST)
    other = compare(predictions(rows[::-1]), predictions(noisy(rows, 1.0)), FAST)
    assert one.differences == other.differences


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (drawn(58, 1), "2 are in one only, such as 'v058.mp4'"),
        ([row(r.crop.video_id, "real", 0.0) for r in drawn(60, 1)], "real in one file and fake"),
    ],
)
def test_files_of_other_videos_or_labels_are_refused(
    second: list[PredictionRow], said: str
) -> None:
    with pytest.raises(ManifestError, match=said):
        compare(predictions(drawn(60, 1)), predictions(second), FAST)


def test_one_label_alone_cannot_be_compared() -> None:
    reals = predictions([row(f"r{n}", "real", 0.0) for n in range(9)])
    with pytest.raises(ManifestError, match="needs reals and fakes"):
        compare(reals, reals, FAST)
