"""The evaluation of a predictions file: coverage, groups, refusals, warnings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from predicted import drawn, predictions, row
from unmask.bundle.manifest import Calibration, OperatingPoint
from unmask.core.errors import ManifestError
from unmask.evaluation.composer import count_coverage, evaluate
from unmask.evaluation.results import EvaluationSettings

FAST = EvaluationSettings(replicates=40)


def test_figures_are_given_for_all_and_for_each_group() -> None:
    result = evaluate(predictions(drawn()), FAST)
    groups = [(g.by, g.value, g.reals, g.fakes) for g in result.groups]
    assert groups[:5] == [
        ("all", "all", 30, 30),
        ("method", "mimic", 30, 15),
        ("method", "swap", 30, 15),
        ("compression", "c23", 16, 16),
        ("compression", "c40", 14, 14),
    ]
    assert {g.by for g in result.groups[5:]} == {"face size", "sharpness"}
    assert result.overall.clusters == 30


def test_groups_by_sharpness_are_ranges_of_the_units_own() -> None:
    rows = [
        row(f"{label}{n}", label, side * 1.0, sharpness=float(value))
        for label, side in (("real", -1), ("fake", 1))
        for n, value in enumerate([0, 2.9, 3, 30, 100, 500])
    ]
    by = [g for g in evaluate(predictions(rows), FAST).groups if g.by == "sharpness"]
    assert [(g.value, g.reals, g.fakes) for g in by] == [
        ("0 to 3", 2, 2),
        ("3 to 6", 1, 1),
        ("25 to 50", 1, 1),
        ("100 and more", 2, 2),
    ]


def test_the_auc_is_that_of_the_means_of_the_videos() -> None:
    value = predictions(drawn())
    result = evaluate(value, FAST)
    names = np.unique(value.video_id)
    means = [value.logit[value.video_id == name].mean() for name in names]
    labels = [value.is_fake[value.video_id == name][0] for name in names]
    auc = result.overall.figure("AUC")
    assert auc.value == pytest.approx(roc_auc_score(labels, means))
    assert auc.interval is not None
    assert auc.interval.low < auc.value < auc.interval.high


def test_failures_are_counted_against_the_detector() -> None:
    rows = [row(f"r{n}", "real", -2.0) for n in range(8)]
    rows += [row(f"f{n}", "fake", 2.0) for n in range(6)]
    rows += [row("x", "fake", None, reason="broken"), row("y", "real", None, status="empty")]
    result = evaluate(predictions(rows), FAST)
    one, other = result.groups[:2]
    assert (one.counting, other.counting) == ("analysed", "failures count against it")
    assert (one.figure("accuracy").value, other.figure("accuracy").value) == (1.0, 14 / 16)
    # of 9 x 7 pairs: 8 x 6 right; the failed real above all, the failed fake below all
    assert other.figure("AUC").value == pytest.approx(48 / 63)
    count = result.coverage
    assert (count.expected, count.done, count.empty, count.failed) == (16, 14, 1, 1)
    assert count.reasons == (("broken", 1), ("no reason given", 1))
    assert not result.enough
    assert "14 of 16 videos were analysed (87.5%)" in result.warnings[0]


def test_failures_count_against_it_at_a_threshold_beyond_all_scores() -> None:
    rows = [row("r0", "real", -1.0), row("r1", "real", None), row("f0", "fake", 1.0)]
    result = evaluate(predictions(rows), EvaluationSettings(replicates=2, threshold=3.0))
    against = result.groups[1]
    assert against.counting == "failures count against it"
    assert against.figure("recall, real").value == 0.5


def test_a_video_is_done_when_one_of_its_crops_has_a_score() -> None:
    lost = {"frame_index": 9, "reason": "no face"}
    rows = [row(n, "fake", None, status="failed", **lost) for n in ("a", "b")]
    rows += [row("a", "fake", 1.0), row("b", "fake", None, status="empty", frame_index=10)]
    count = count_coverage(predictions(rows))
    assert (count.done, count.empty, count.failed) == (1, 0, 1)
    assert count.reasons == (("no face", 1),)


def test_videos_without_a_row_lower_the_coverage() -> None:
    result = evaluate(predictions(drawn(20), videos_expected=25), FAST)
    assert result.coverage.missing == 5
    assert result.coverage.share == 0.8
    assert not result.enough


def test_a_figure_that_the_data_cannot_carry_is_refused_with_its_reason() -> None:
    result = evaluate(predictions(drawn()), FAST).overall
    refused = result.figure("TPR at 0.1 % FPR")
    assert (refused.value, refused.reason) == (None, "30 reals, at least 3000 needed")


def test_one_label_alone_gives_no_curve_and_no_figures_that_need_both() -> None:
    result = evaluate(predictions([row(f"r{n}", "real", -1.0) for n in range(9)]), FAST)
    assert result.curves is None
    assert result.overall.figure("AUC").reason == "0 fakes, at least 1 needed"


def test_few_clusters_have_a_value_and_the_reason_why_no_interval() -> None:
    rows = [row(f"v{n}", ("real", "fake")[n % 2], float(n), target="t") for n in range(9)]
    auc = evaluate(predictions(rows), FAST).overall.figure("AUC")
    assert auc.value is not None
    assert auc.reason == "no interval: 1 clusters, at least 5 needed"


def test_the_threshold_is_the_detectors_or_a_number() -> None:
    points = [
        OperatingPoint(name="balanced", logit=0.7, false_positive_rate=0.1, true_positive_rate=0.9)
    ]
    value = predictions(drawn(), operating_points=points)
    assert evaluate(value, FAST).threshold_logit == 0.7
    evaluation_settings = EvaluationSettings(replicates=5, threshold=-0.25)
    assert evaluate(value, evaluation_settings).threshold_logit == -0.25
    with pytest.raises(ValueError, match="no operating point 'strict'; it has: balanced"):
        evaluate(value, EvaluationSettings(threshold="strict"))
    with pytest.raises(ValueError, match="a threshold is a finite logit, got inf"):
        evaluate(value, EvaluationSettings(threshold=float("inf")))


def test_figures_of_probabilities_use_the_calibration() -> None:
    zero = ((0.0, 0.0), (0.0, 0.0))
    useless = Calibration(slope=0.0, intercept=0.0, covariance=zero, data="none", level="video")
    result = evaluate(predictions(drawn(), calibration=useless), FAST)
    assert result.overall.figure("Cllr").value == pytest.approx(1)
    assert result.overall.figure("Brier score").value == 0.25
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"leaks": True, "protocol": "paper-frame-split"}, "leaks by design"),
        ({}, "no calibration is known"),
    ],
)
def test_a_reader_is_warned(info: dict[str, object], said: str) -> None:
    assert said in " ".join(evaluate(predictions(drawn(), **info), FAST).warnings)


def test_a_reader_is_warned_of_rows_that_were_trained_on() -> None:
    rows = [*drawn(), row("t", "real", 0.0, split="train")]
    assert "split train" in " ".join(evaluate(predictions(rows), FAST).warnings)


def test_nothing_analysed_is_nothing_to_evaluate() -> None:
    with pytest.raises(ManifestError, match="no video was analysed"):
        evaluate(predictions([row("a", "real", None), row("b", "fake", None)]), FAST)


@pytest.mark.parametrize("wrong", [{"replicates": 0}, {"min_coverage": 1.5}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        EvaluationSettings(**wrong)  # type: ignore[arg-type]


def test_curves_end_where_they_must() -> None:
    curves = evaluate(predictions(drawn()), FAST).curves
    assert curves is not None
    assert (curves.roc[0], curves.roc[-1]) == ((0, 0), (1, 1))
    assert curves.cost[0][1] == curves.cost[-1][1] == 0
    assert all(least <= min(w, 1 - w) + 1e-9 for w, least in curves.cost)
    assert sum(sum(h.counts) for h in curves.histograms) == 60
    assert [h.name for h in curves.histograms] == ["real", "mimic", "swap"]
    assert sum(b.count for b in curves.reliability) == 60
    result = evaluate(predictions(drawn()), FAST)
    assert curves.risk_coverage[-1][1] == pytest.approx(1 - result.overall.figure("accuracy").value)
