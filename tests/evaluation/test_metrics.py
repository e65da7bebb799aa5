"""Figures against scikit-learn, closed forms and what must hold for every data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from unmask.evaluation.metrics import CostMatrix, hulls, metrics, min_cllr, tpr_at
from unmask.evaluation.weightings import Batch, Sorted

NAMES = [metric.name for metric in metrics()]
OF_ORDER = ("AUC", "partial AUC (FPR ≤ 0.1)", "average precision", "EER", "minimum Cllr")


@dataclass(frozen=True)
class Case:
    logit: NDArray[np.float64]
    is_fake: NDArray[np.bool_]

    def batch(self, threshold: float = 0.0) -> Batch:
        return Sorted.of(self.logit, self.is_fake, log_odds=self.logit, threshold=threshold).plain()

    def figure(self, name: str, threshold: float = 0.0) -> float:
        return figure(self.batch(threshold), name)

    @property
    def probability(self) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-self.logit))


def figure(batch: Batch, name: str, costs: CostMatrix | None = None) -> float:
    (result,) = (m for m in metrics(costs) if m.name == name)
    return float(result.compute(batch)[0])


def drawn(seed: int, count: int = 300, *, ties: bool = True) -> Case:
    rng = np.random.default_rng(seed)
    is_fake = rng.random(count) < 0.6
    logit = rng.normal(np.where(is_fake, 0.7, -0.5), 1.5)
    return Case(logit.round(1) if ties else logit, is_fake)


def from_counts(tp: int, fn: int, fp: int, tn: int) -> Case:
    logit = np.repeat([1.0, -1.0, 1.0, -1.0], [tp, fn, fp, tn])
    return Case(logit, np.repeat([True, True, False, False], [tp, fn, fp, tn]))


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_the_curve_are_those_of_scikit_learn(seed: int) -> None:
    case = drawn(seed)
    assert case.figure("AUC") == pytest.approx(sk.roc_auc_score(case.is_fake, case.logit))
    assert case.figure("partial AUC (FPR ≤ 0.1)") == pytest.approx(
        sk.roc_auc_score(case.is_fake, case.logit, max_fpr=0.1)
    )
    assert case.figure("average precision") == pytest.approx(
        sk.average_precision_score(case.is_fake, case.logit)
    )
    fpr, tpr, _ = sk.roc_curve(case.is_fake, case.logit, drop_intermediate=False)
    assert case.figure("TPR at 1 % FPR") == pytest.approx(tpr[fpr <= 0.01].max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.3])
def test_figures_at_a_threshold_are_those_of_scikit_learn(seed: int, threshold: float) -> None:
    case = drawn(seed)
    called = case.logit >= threshold
    report = sk.classification_report(
        case.is_fake, called, target_names=["real", "fake"], output_dict=True
    )
    assert case.figure("accuracy", threshold) == pytest.approx(report["accuracy"])
    assert case.figure("balanced accuracy", threshold) == pytest.approx(
        sk.balanced_accuracy_score(case.is_fake, called)
    )
    for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1-score")):
        for ending, row in (
            ("fake", "fake"),
            ("real", "real"),
            ("macro", "macro avg"),
            ("weighted", "weighted avg"),
        ):
            got = case.figure(f"{name}, {ending}", threshold)
            assert got == pytest.approx(report[row][key])


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_probabilities_are_those_of_scikit_learn(seed: int) -> None:
    case = drawn(seed, ties=False)
    assert case.figure("Brier score") == pytest.approx(
        sk.brier_score_loss(case.is_fake, case.probability)
    )
    assert case.figure("log loss") == pytest.approx(sk.log_loss(case.is_fake, case.probability))
    share, mean = calibration_curve(case.is_fake, case.probability, n_bins=15)
    counts = np.histogram(case.probability, bins=np.linspace(0, 1, 16))[0]
    expected = (np.abs(share - mean) * counts[counts > 0]).sum() / len(case.logit)
    assert case.figure("calibration error (ECE)") == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_minimum_cllr_is_that_of_isotonic_regression(seed: int) -> None:
    case = drawn(seed)
    weight = np.where(case.is_fake, 1 / case.is_fake.sum(), 1 / (~case.is_fake).sum())
    fitted = IsotonicRegression().fit_transform(case.logit, case.is_fake, sample_weight=weight)
    with np.errstate(divide="ignore"):
        lr = fitted / (1 - fitted)
        expected = (
            np.log2(1 + 1 / lr[case.is_fake]).mean() + np.log2(1 + lr[~case.is_fake]).mean()
        ) / 2
    assert case.figure("minimum Cllr") == pytest.approx(expected)


def test_minimum_cllr_of_many_weightings_is_that_of_each() -> None:
    case = drawn(3, 200)
    ordered = case.batch().units
    weights = np.random.default_rng(0).multinomial(200, [1 / 200] * 200, size=6).astype(float)
    together = min_cllr(Batch(ordered, weights))
    alone = [min_cllr(Batch(ordered, each[None]))[0] for each in weights]
    assert together == pytest.approx(alone)
    assert len(set(alone)) == 6


def test_steps_that_pool_one_at_a_time_end() -> None:
    fakes = np.append(np.arange(300, 100, -1.0), 10.0**9)[None]
    assert hulls(fakes, np.ones_like(fakes)).fakes.tolist() == [fakes.sum()]


def test_names_of_figures_are_plain_keys() -> None:
    assert all(metric.name.replace("≤", "<").isascii() for metric in metrics())


def test_cllr_is_that_of_lir() -> None:
    lir_metrics = pytest.importorskip("lir.metrics", reason="needs the extra evaluation")
    from lir.data.models import LLRData

    case = drawn(3)
    data = LLRData(features=(case.logit / np.log(10))[:, None], labels=case.is_fake.astype(int))
    assert case.figure("Cllr") == pytest.approx(lir_metrics.cllr(data))
    assert case.figure("minimum Cllr") == pytest.approx(lir_metrics.cllr_min(data), abs=1e-6)


def test_normal_scores_have_the_figures_of_their_distributions() -> None:
    rng = np.random.default_rng(0)
    is_fake = np.arange(200_000) % 2 == 1
    case = Case(rng.normal(np.where(is_fake, 1.0, -1.0), 1.0) * 2, is_fake)
    assert case.figure("AUC") == pytest.approx(0.92135, abs=0.003)  # Phi(2 / sqrt 2)
    assert case.figure("EER") == pytest.approx(0.15866, abs=0.003)  # Phi(-1)
    # the logit 2 x is exactly the log likelihood ratio of N(1, 1) to N(-1, 1)
    assert case.figure("Cllr") == pytest.approx(case.figure("minimum Cllr"), abs=0.003)
    assert case.figure("calibration error (ECE)") < 0.01


def test_a_perfect_and_a_useless_detector() -> None:
    perfect = Case(np.array([3.0, 2.0, -2.0, -3.0]), np.array([True, True, False, False]))
    assert [perfect.figure(n) for n in OF_ORDER] == [1, 1, 1, 0, 0]
    useless = Case(np.zeros(4), np.array([True, False, True, False]))
    assert [useless.figure(n) for n in OF_ORDER] == [0.5, 0.5, 0.5, 0.5, 1]
    assert useless.figure("Cllr") == 1
    assert useless.figure("Brier score") == 0.25
    assert useless.figure("log loss") == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("counts", "accuracy", "published"),
    [
        ((1099, 12, 18, 276), 0.979, "Xception, Celeb-DF v2"),
        ((1080, 31, 14, 280), 0.968, "InceptionResNetV2, Celeb-DF v2"),
        ((1098, 13, 24, 270), 0.974, "EfficientNetV2S, Celeb-DF v2"),
        ((788, 43, 38, 437), 0.938, "InceptionResNetV2, FF++"),
        ((766, 65, 30, 445), 0.927, "Xception, FF++"),
        ((714, 117, 43, 432), 0.877, "EfficientNetV2M, FF++"),
    ],
)
def test_the_papers_confusion_matrices_give_back_its_figures(
    counts: tuple[int, int, int, int], accuracy: float, published: str
) -> None:
    tp, fn, fp, tn = counts
    case = from_counts(tp, fn, fp, tn)
    result = case.batch().confusion
    assert [v[0] for v in (result.tp, result.fn, result.fp, result.tn)] == [tp, fn, fp, tn], (
        published
    )
    assert case.figure("accuracy") == pytest.approx(accuracy, abs=0.0006)
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert case.figure("precision, fake") == pytest.approx(precision)
    assert case.figure("recall, fake") == pytest.approx(recall)
    assert case.figure("F1, fake") == pytest.approx(2 / (1 / precision + 1 / recall))
    assert case.figure("precision, real") == pytest.approx(tn / (tn + fn))
    assert case.figure("recall, real") == pytest.approx(tn / (tn + fp))


def test_expected_cost_is_over_that_of_not_looking() -> None:
    case = from_counts(tp=80, fn=20, fp=10, tn=90)
    assert figure(case.batch(), "expected cost") == pytest.approx(0.3)
    # a miss costs 10, fakes are one in a hundred: calling all real costs 0.1 a unit
    costs = CostMatrix(miss=10, false_alarm=1, prior=0.01)
    expected = (0.1 * 0.2 + 0.99 * 0.1) / 0.1
    assert figure(case.batch(), "expected cost", costs) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [{"miss": 0.0}, {"false_alarm": -1.0}, {"prior": 1.0}])
def test_costs_that_order_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="costs must be above zero"):
        CostMatrix(**bad)


def test_rates_of_few_false_alarms_need_reals() -> None:
    at = {m.name: m for m in metrics()}
    assert at["TPR at 1 % FPR"].refusal(reals=299, fakes=9) == "299 reals, at least 300 needed"
    assert at["TPR at 1 % FPR"].refusal(reals=300, fakes=9) is None
    assert at["TPR at 0.1 % FPR"].refusal(reals=600, fakes=9) == ("600 reals, at least 3000 needed")
    assert at["AUC"].refusal(reals=4, fakes=0) == "0 fakes, at least 1 needed"


def test_the_rate_is_never_above_the_one_asked_for() -> None:
    case = drawn(1, ties=True)
    batch = case.batch()
    result = float(tpr_at(batch.roc, fpr=0.05)[0])
    at = [t for t in np.unique(case.logit) if (case.logit >= t)[~case.is_fake].mean() <= 0.05]
    assert result == pytest.approx(max((case.logit >= t)[case.is_fake].mean() for t in at))


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_counts_as_often_as_the_unit_repeated(name: str) -> None:
    case = drawn(7, 80)
    times = np.random.default_rng(1).integers(0, 4, 80)
    units = Sorted.of(case.logit, case.is_fake, log_odds=case.logit, threshold=0.2)
    weighted = figure(Batch(units, times[units.order][None].astype(float)), name)
    repeated = Case(np.repeat(case.logit, times), np.repeat(case.is_fake, times))
    assert weighted == pytest.approx(repeated.figure(name, 0.2))


cases = st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: len({fake for _, fake in rows}) == 2
)


@settings(max_examples=60)
@given(cases, st.integers(0, 3))
def test_the_order_alone_decides_figures_of_the_curve(
    rows: list[tuple[int, bool]], bend: int
) -> None:
    logit = np.array([value / 10 for value, _ in rows])
    is_fake = np.array([fake for _, fake in rows])
    bent = (logit * 3 + 1, np.exp(logit), logit**3, np.arctan(logit))[bend]
    for name in OF_ORDER:
        assert Case(logit, is_fake).figure(name) == pytest.approx(Case(bent, is_fake).figure(name))


@settings(max_examples=60)
@given(cases)
def test_figures_lie_in_their_range_and_mirror(rows: list[tuple[int, bool]]) -> None:
    case = Case(np.array([v / 10 for v, _ in rows]), np.array([f for _, f in rows]))
    mirrored = Case(-case.logit, ~case.is_fake)
    for name in ("AUC", "EER", "minimum Cllr", "Cllr", "log loss", "Brier score"):
        assert case.figure(name) == pytest.approx(mirrored.figure(name))
    assert 0 <= case.figure("AUC") <= 1
    assert 0 <= case.figure("EER") <= 1
    assert 0 <= case.figure("minimum Cllr") <= min(1, case.figure("Cllr")) + 1e-9


@settings(max_examples=30)
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, bool]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = (
        Case(np.array([v / 10 for v, _ in r]), np.array([f for _, f in r]))
        for r in (rows, shuffled)
    )
    for name in NAMES:
        assert one.figure(name) == pytest.approx(two.figure(name), nan_ok=True)
