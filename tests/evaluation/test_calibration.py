"""Calibration, likelihood ratios, abstention and operating points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bundles import write_bundle
from predicted import drawn, predictions, row
from unmask.bundle.card import card
from unmask.bundle.manifest import (
    Abstention,
    CalibratedRange,
    Calibration,
    LikelihoodRatio,
    load_bundle,
)
from unmask.core.errors import BundleError, ManifestError
from unmask.evaluation.aggregation import make_units
from unmask.evaluation.calibration import (
    calibrate_bundle,
    operating_points,
    seen_range,
    validation_rows,
)
from unmask.evaluation.calibrators import (
    CALIBRATORS,
    choose,
    estimate_covariance,
    fit_isotonic,
    fit_platt,
)
from unmask.evaluation.card import headline_metrics, save
from unmask.evaluation.composer import evaluate
from unmask.evaluation.conformal import fit_abstention
from unmask.evaluation.metrics import CostMatrix
from unmask.evaluation.results import EvaluationSettings
from unmask.scanner.likelihood import answer, describe_ratio, log10_ratio, outside

pytest.importorskip("lir", reason="needs the extra evaluation")
Floats = NDArray[np.float64]


def truth(
    count: int, bend: Callable[[Floats], Floats], seed: int = 0
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Scores, their true log odds at even prior odds, and labels, of which a quarter is real."""
    rng = np.random.default_rng(seed)
    is_fake = np.arange(count) % 4 > 0
    odds = rng.normal(np.where(is_fake, 1.0, -1.0) * 2, 2.0)  # N(2, 4) and N(-2, 4): LR = e^odds
    return bend(odds), odds, is_fake


@pytest.mark.parametrize(
    ("bend", "method"),
    [
        (lambda odds: odds / 3, "temperature"),
        (lambda odds: odds / 2 + 4, "platt"),
        (lambda odds: np.sign(odds - 1) * np.abs(odds - 1) ** 3, "isotonic"),
    ],
)
def test_the_method_that_undoes_the_bend_is_chosen(
    bend: Callable[[Floats], Floats], method: str
) -> None:
    x, odds, is_fake = truth(6000, bend)
    chosen = choose(x, is_fake, np.arange(6000))
    best = min(chosen.losses.values())
    assert chosen.method == method
    assert chosen.losses[method] == pytest.approx(best, abs=0.002)
    result = CALIBRATORS[method](x, is_fake, np.ones(6000)).calibration(method)  # type: ignore[arg-type,index]
    inside = np.abs(odds) < 3
    assert np.abs(result.log_odds(x) - odds)[inside].mean() < 0.2


def test_the_ends_of_an_isotonic_curve_know_how_few_they_are() -> None:
    # reals lie below 10, fakes from 3 up: the ends hold 3 reals of 10, and 10 fakes of 20
    reals, fakes = np.arange(10) + 0.5, np.arange(20) + 3.0
    x, is_fake = np.concatenate([reals, fakes]), np.arange(30) >= 10
    odds = np.exp(np.array(fit_isotonic(x, is_fake, np.ones(30)).knots)[:, 1])
    pure = int((fakes > 9.5).sum())
    assert odds[-1] == pytest.approx(pure * 10 / 20)  # of even odds, against one real of ten
    assert 1 / odds[0] == pytest.approx(3 * 20 / 10)
    weighted = fit_isotonic(x, is_fake, np.full(30, 2.0))
    assert np.exp(weighted.knots[-1][1]) > odds[-1]


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (40.0, 20.0), (-8.0, 1.0), (0.0, 0.01)])
def test_platt_scaling_is_balanced_logistic_regression(offset: float, scale: float) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    plain, _, is_fake = truth(400, lambda odds: odds / 2)
    counts = np.where(is_fake, is_fake.sum(), (~is_fake).sum())
    target = np.where(is_fake, counts + 1, 1) / (counts + 2)

    def loss(fit: Floats) -> float:
        log_odds = fit[0] * plain + fit[1]
        return float(((np.logaddexp(0, log_odds) - target * log_odds) / counts).sum())

    slope, intercept = optimize.minimize(loss, (1.0, 0.0), tol=1e-10, method="Nelder-Mead").x
    result = fit_platt(offset + scale * plain, is_fake, np.ones(400))
    assert result.slope * scale == pytest.approx(slope, rel=1e-4)
    assert result.intercept + result.slope * offset == pytest.approx(intercept, rel=1e-4)


@pytest.mark.parametrize("method", CALIBRATORS)
def test_every_calibrator_rises_and_survives_perfect_separation(method: str) -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0] * 5)
    result = CALIBRATORS[method](x, x > 0, np.ones(20)).calibration(method)  # type: ignore[arg-type,index]
    odds = result.log_odds(np.linspace(-9, 9, 50))
    assert np.isfinite(odds).all()
    assert (np.diff(odds) >= 0).all()
    assert odds[0] < 0 < odds[-1]


def test_the_covariance_is_that_of_refits_on_new_data() -> None:
    fits = []
    for seed in range(60):
        x, _, is_fake = truth(400, lambda odds: odds, seed)
        fit = CALIBRATORS["platt"](x, is_fake, np.ones(400))
        fits.append((fit.slope, fit.intercept))
    x, _, is_fake = truth(400, lambda odds: odds, 99)
    platt = CALIBRATORS["platt"](x, is_fake, np.ones(400))
    result = estimate_covariance("platt", platt, x, is_fake, np.arange(400))
    np.testing.assert_allclose(np.sqrt(np.diag(result)), np.std(fits, axis=0), rtol=0.4)


def test_the_conformal_guarantee_holds_on_new_data() -> None:
    wrong: dict[str, list[bool]] = {"real": [], "fake": []}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        is_fake = np.arange(120) % 2 == 1
        logit = rng.normal(is_fake * 1.5, 1.0)
        rule = fit_abstention(
            logit, is_fake, np.arange(120), level="video", data="draws", error_rate=0.1
        )
        for name, shift, other in (("real", 0.0, "fake"), ("fake", 1.5, "real")):
            new = rng.normal(shift, 1.0, 200)
            below, above = rule.fake_excluded_below, rule.real_excluded_above
            assert below is not None
            assert above is not None
            wrong[name].append(np.mean(new > above if other == "fake" else new < below))
    for shares in wrong.values():
        assert 0.08 <= np.mean(shares) <= 0.105  # 6 / 61 is promised at most


def test_too_few_scores_rule_nothing_out() -> None:
    is_fake = np.arange(20) % 2 == 1
    rule = fit_abstention(
        np.arange(20.0), is_fake, np.arange(20), level="video", data="few", error_rate=0.05
    )
    assert (rule.fake_excluded_below, rule.real_excluded_above, rule.abstained) == (None, None, 1)


def rule(below: float, above: float) -> Abstention:
    return Abstention(
        error_rate=0.1, fake_excluded_below=below, real_excluded_above=above, abstained=0.0,
        guarantee="", data="",
    )  # fmt: skip


@pytest.mark.parametrize(("logit", "said"), [(-2.0, "real"), (0.0, "cannot judge"), (2.0, "fake")])
def test_one_label_left_is_the_answer(logit: float, said: str) -> None:
    assert answer(logit, rule(-1, 1)) == said


def test_neither_label_left_is_no_answer() -> None:
    assert answer(0.0, rule(1, -1)) == "cannot judge"


def test_likelihood_ratios_stay_within_their_bounds() -> None:
    zero = ((0.0, 0.0), (0.0, 0.0))
    plain = Calibration(slope=np.log(10), intercept=0.0, covariance=zero, data="")
    bounds = LikelihoodRatio(log10_lower=-1.5, log10_upper=2, cllr=0.5, min_cllr=0.4, data="")
    result = [log10_ratio(logit, plain, bounds) for logit in (-9.0, -1.0, 0.5, 9.0)]
    assert result == pytest.approx([-1.5, -1, 0.5, 2])


@pytest.mark.parametrize(
    ("log10", "words"),
    [
        (0.0, "no support for either"),
        (0.31, "weak support for fake"),
        (-1.2, "moderate support for real"),
        (2.5, "moderately strong support for fake"),
        (-3.5, "strong support for real"),
        (5.0, "very strong support for fake"),
        (7.0, "extremely strong support for fake"),
    ],
)
def test_ratios_have_the_words_of_forensic_reports(log10: float, words: str) -> None:
    assert describe_ratio(log10) == words


def test_a_face_unlike_the_calibration_data_is_named() -> None:
    seen = CalibratedRange(face_px=(60, 200), sharpness=None, compressions=())
    assert outside(seen, face_px=40, sharpness=3) == "face size, px: 40, calibrated on 60 to 200"
    assert outside(seen, face_px=100, sharpness=3) is None
    assert outside(seen, face_px=None, sharpness=None) is None


@pytest.mark.parametrize(("refuse", "rule"), [(False, "warn"), (True, "cannot judge")])
def test_what_happens_outside_the_range_is_written_into_the_bundle(refuse: bool, rule: str) -> None:
    assert seen_range(predictions(drawn(4)), refuse=refuse).outside == rule


def test_operating_points_are_what_their_names_say() -> None:
    units = make_units(predictions(drawn(600, 1, shift=2.0)))
    costs = (CostMatrix(miss=1, false_alarm=20),)
    result = operating_points(units.logit, units.is_fake, costs=costs, data="draws")
    points = {p.name: p for p in result}
    assert set(points) == {"balanced", "few-false-alarms", "cost 20:1"}
    for point in points.values():
        called = units.logit >= point.logit
        assert point.false_positive_rate == called[~units.is_fake].mean()
        assert point.true_positive_rate == called[units.is_fake].mean()
    assert points["few-false-alarms"].false_positive_rate <= 0.01
    even = points["balanced"]
    assert even.false_positive_rate == pytest.approx(1 - even.true_positive_rate, abs=0.01)

    def cost(logit: float) -> float:
        called = units.logit >= logit
        return float((~called)[units.is_fake].mean() + 20 * called[~units.is_fake].mean())

    assert cost(points["cost 20:1"].logit) == min(cost(logit) for logit in units.logit)


def test_few_false_alarms_never_lies_below_balanced() -> None:
    units = make_units(predictions(drawn(600, 1, shift=6.0)))
    balanced, few = operating_points(units.logit, units.is_fake)
    assert balanced.false_positive_rate < 0.01
    assert few.logit == balanced.logit


@pytest.mark.parametrize("reals", [100, 101, 150, 1001])
def test_few_false_alarms_is_the_lowest_logit_that_keeps_to_one_percent(reals: int) -> None:
    is_fake = np.arange(2 * reals) >= reals
    logit = np.random.default_rng(reals).normal(is_fake * 1.0, 1.0)
    few = operating_points(logit, is_fake)[1]
    assert few.logit == min(t for t in logit if (logit[~is_fake] >= t).mean() <= 0.01)


def test_only_validation_rows_are_fitted_on() -> None:
    rows = [*drawn(10), row("w", "real", 0.0, split="validation")]
    assert list(validation_rows(predictions(rows)).video_id) == ["w"]
    assert len(validation_rows(predictions(rows), all_rows=True)) == len(rows)
    with pytest.raises(ManifestError, match="no row is of the split validation"):
        validation_rows(predictions(drawn(10)))


def test_a_calibrated_bundle_loads_and_says_what_it_rests_on(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "d", metrics=[])
    model = bundle.manifest.files["model.onnx"]
    value = predictions(drawn(300, 2), model_sha256=model)
    result = calibrate_bundle(bundle, value, costs=[CostMatrix(miss=10, false_alarm=1)])
    save(tmp_path / "d", result)
    read = load_bundle(tmp_path / "d").manifest
    assert read.calibration == result.calibration
    assert read.calibration.level == "video"
    assert "300 videos of draws (150 real, 150 clusters; not split)" in read.calibration.data
    assert read.likelihood is not None
    assert -2.2 < read.likelihood.log10_lower < 0 < read.likelihood.log10_upper < 2.2
    assert read.likelihood.min_cllr <= read.likelihood.cllr < 1
    assert read.calibrated_range is not None
    assert read.calibrated_range.compressions == ("c23", "c40")
    text = (tmp_path / "d" / "README.md").read_text()
    for message in (
        "cost 1:10",
        "Likelihood ratios from 1/",
        "Nothing was measured.",
        "300 videos of draws",
    ):
        assert message in text


def test_calibrating_keeps_other_thresholds_and_drops_figures_of_the_old_odds(
    tmp_path: Path,
) -> None:
    names = ("AUC per crop", "balanced accuracy per crop", "Cllr per crop", "minimum Cllr per crop")
    figure = {"value": 0.5, "interval": (0.4, 0.6), "protocol": "old"}
    bundle = write_bundle(tmp_path / "d", metrics=[{"name": name, **figure} for name in names])
    first = bundle.manifest.operating_points[0]
    costly = first.model_copy(update={"name": "costs", "logit": 1.6})
    with_costs = bundle.manifest.model_copy(
        update={"operating_points": (*bundle.manifest.operating_points, costly)}
    )
    value = predictions(drawn(300, 2), model_sha256=bundle.manifest.files["model.onnx"])
    result = calibrate_bundle(bundle.model_copy(update={"manifest": with_costs}), value)
    assert [p.name for p in result.operating_points] == ["balanced", "few-false-alarms", "costs"]
    assert result.point("costs") == costly.model_copy(update={"data": "none: made for tests"})
    assert [m.name for m in result.metrics] == ["AUC per crop", "minimum Cllr per crop"]


def test_calibration_makes_probabilities_of_new_data_honest(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "d")
    model = bundle.manifest.files["model.onnx"]
    bent = [replace(r, logit=None if r.logit is None else 4 * r.logit + 3) for r in drawn(400, 1)]
    result = calibrate_bundle(bundle, predictions(bent, model_sha256=model))
    new = [replace(r, logit=4 * (r.logit or 0) + 3) for r in drawn(400, 1, seed=1)]
    fast = EvaluationSettings(replicates=2)
    before = evaluate(predictions(new), fast).overall
    after = evaluate(predictions(new, calibration=result.calibration), fast).overall
    lowest = after.figure("minimum Cllr").value
    assert after.figure("Cllr").value < before.figure("Cllr").value / 2
    assert after.figure("Cllr").value == pytest.approx(lowest, abs=0.05)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (drawn(60), "30 real videos were scored, at least 100 are needed"),
        ([row(f"r{n}", "real", 0.1 * n) for n in range(120)], "0 fake videos were scored"),
    ],
)
def test_too_few_rows_calibrate_nothing(tmp_path: Path, rows: list[object], said: str) -> None:
    bundle = write_bundle(tmp_path / "d")
    value = predictions(rows, model_sha256=bundle.manifest.files["model.onnx"])  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match=said):
        calibrate_bundle(bundle, value)


def test_another_detectors_predictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not of the network of 'tiny'"):
        calibrate_bundle(write_bundle(tmp_path / "d"), predictions(drawn(), model_sha256="0" * 64))


def test_a_card_holds_the_figures_of_an_evaluation(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "d")
    leaky = {"leaks": True, "protocol": "paper-frame-split", "manifest_sha256": "ab" * 32}
    result = headline_metrics(
        evaluate(predictions(drawn(), **leaky), EvaluationSettings(replicates=50))
    )
    assert [m.name for m in result] == [
        f"{n} per video" for n in ("AUC", "EER", "balanced accuracy", "Cllr", "minimum Cllr")
    ]
    assert "LEAKS by design, manifest abababababab" in result[0].protocol
    assert "n = 30 real and 30 fake videos" in result[0].protocol
    text = card(bundle.manifest.model_copy(update={"metrics": result}))
    assert f"| AUC per video | {result[0].value:.3f} |" in text
    assert "on the data of the calibration, which chose the points" in text


def test_a_card_names_the_data_of_points_chosen_elsewhere(tmp_path: Path) -> None:
    result = write_bundle(tmp_path / "d").manifest
    (first, *others) = result.operating_points
    points = (first.model_copy(update={"data": "other crops"}), *others)
    text = card(result.model_copy(update={"operating_points": points}))
    assert f"{first.name}: other crops." in text


def test_a_card_says_what_is_missed_with_intervals_and_what_was_never_tested(
    tmp_path: Path,
) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    rates = [
        {"method": "blend", "missed": 0.125, "videos": 40},
        {"method": "StyleGAN2", "missed": None, "videos": 0},
    ]
    text = card(write_bundle(tmp_path / "bundle", method_rates=rates).manifest)
    expected = scipy_stats.binomtest(5, 40).proportion_ci(method="wilson")
    assert f"| blend | 40 | 0.125 | {expected.low:.3f} to {expected.high:.3f} |" in text
    assert "| StyleGAN2 | never tested | | |" in text
    assert "Missed" not in card(write_bundle(tmp_path / "none", method_rates=[]).manifest)
