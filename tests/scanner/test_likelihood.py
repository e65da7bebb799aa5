"""What a scan says beyond the probability, and when it says nothing."""

from dataclasses import replace
from math import log

import pytest

from bundles import manifest
from unmask.core.scan_record import KeyFrame
from unmask.core.verdicts import ConformalAnswer, LikelihoodStatement, Verdict
from unmask.report.wording import statements
from unmask.scanner.verdict import judge_track

ZERO = ((0.0, 0.0), (0.0, 0.0))


def calibrated(outside="warn", level="video", aggregation="mean", **changes):
    """A detector whose logit is the log10 likelihood ratio, within -1 and 2."""
    fitted = {"slope": log(10), "intercept": 0.0, "covariance": ZERO, "data": "draws"}
    seen = {"face_px": (60, 200), "sharpness": (20, 900), "compressions": ["c23"]}
    return manifest(
        calibration={**fitted, "level": level, "aggregation": aggregation},
        likelihood={
            "log10_lower": -1, "log10_upper": 2, "cllr": 0.5, "min_cllr": 0.4, "data": "draws",
        },
        abstention={
            "error_rate": 0.05, "fake_excluded_below": -0.5, "real_excluded_above": 0.5,
            "abstained": 0.2, "guarantee": "", "data": "draws",
        },
        calibrated_range={**seen, "outside": outside},
        **changes,
    )  # fmt: skip


def frames(logit, face_px=100.0, sharpness=100.0, count=3):
    key = KeyFrame(0, 0.0, (0, 0, 9, 9), ((1.0, 1.0),) * 5, face_px, difference=None)
    return [replace(key, logit=logit, sharpness=sharpness)] * count


def judged(logit, *, detector=None, still=False, **of_frames):
    return judge_track(frames(logit, **of_frames), detector or calibrated(), still=still)


@pytest.mark.parametrize(
    ("logit", "log10", "words", "label"),
    [
        (1.5, 1.5, "moderate support for fake", "fake"),
        (9.0, 2.0, "moderately strong support for fake", "fake"),
        (-9.0, -1.0, "moderate support for real", "real"),
        (0.1, 0.1, "no support for either", "cannot judge"),
    ],
)
def test_a_verdict_carries_ratio_words_and_answer_of_its_bundle(logit, log10, words, label):
    verdict = judged(logit)
    assert verdict.likelihood == LikelihoodStatement(pytest.approx(log10), -1, 2, words)
    assert verdict.answer == ConformalAnswer(label, 0.05)
    assert verdict.out_of_range is None


def test_a_bundle_without_them_says_nothing_more():
    verdict = judged(1.0, detector=manifest())
    assert verdict.likelihood is verdict.answer is verdict.out_of_range is None
    assert statements(verdict) == ()


@pytest.mark.parametrize(
    ("of_frames", "named"),
    [
        ({"face_px": 45.0}, "face size, px: 45, calibrated on 60 to 200"),
        ({"sharpness": 9.0}, "sharpness: 9, calibrated on 20 to 900"),
    ],
)
def test_outside_the_range_the_word_stays_but_nothing_more_is_said(of_frames, named):
    verdict = judged(1.5, **of_frames)
    assert verdict.word == judged(1.5).word
    assert verdict.out_of_range == named
    assert verdict.likelihood is verdict.answer is None
    assert statements(verdict) == (f"outside the calibration data: {named}",)


@pytest.mark.parametrize("of_frames", [{"face_px": 900.0}, {"sharpness": 5000.0}])
def test_a_larger_or_sharper_face_is_within_the_range(of_frames):
    assert judged(1.5, **of_frames) == judged(1.5)


def test_a_ratio_of_single_crops_stands_for_a_face_over_time_and_says_so():
    detector = calibrated(level="crop", aggregation=None)
    verdict = judged(1.0, detector=detector)
    assert verdict.likelihood == replace(judged(1.0).likelihood, of_single_crops=True)
    assert verdict.answer is None
    assert statements(verdict)[0].endswith("the data support 1/10 to 100; fitted on single crops")


def test_outside_the_range_a_bundle_may_refuse():
    verdict = judged(1.5, face_px=45.0, detector=calibrated("cannot judge"))
    assert verdict.word == "cannot judge"
    assert verdict.probability is None
    assert verdict.out_of_range == "face size, px: 45, calibrated on 60 to 200"
    assert verdict.reason == f"unlike the calibration data ({verdict.out_of_range})"


def test_the_median_key_frame_decides_whether_a_face_is_outside():
    mixed = frames(1.0, face_px=45.0, count=1) + frames(1.0, count=2)
    assert judge_track(mixed, calibrated(), still=False).out_of_range is None


@pytest.mark.parametrize(
    ("level", "aggregation", "still", "given"),
    [
        ("video", "mean", False, True),
        ("track", "max-track", False, True),
        ("video", "median", False, False),
        ("video", "mean", True, False),
        ("crop", None, True, True),
    ],
)
def test_ratios_are_given_only_for_what_they_were_fitted_on(level, aggregation, still, given):
    detector = calibrated(level=level, aggregation=aggregation)
    verdict = judged(1.0, detector=detector, still=still)
    assert (verdict.likelihood is not None) == given
    assert (verdict.answer is not None) == given


def test_a_ratio_at_its_bound_is_told_as_one():
    (at_bound, excluded), (inside, _) = statements(judged(-9.0)), statements(judged(1.0))
    assert at_bound == (
        "likelihood ratio 1/10 (moderate support for real); the data support 1/10 to 100; "
        "it may be further from 1"
    )
    assert inside.endswith("the data support 1/10 to 100")
    assert excluded == (
        "scores this low are rare among fakes: at most 5\u00a0% of fakes like those of the "
        "calibration data have one; it is no proof of real"
    )


def test_an_answer_without_a_ratio_is_told_alone():
    verdict = Verdict("some evidence", 0.5, None, 0.0, 3, answer=ConformalAnswer("fake", 0.1))
    (text,) = statements(verdict)
    assert text.startswith("scores this high are rare among reals: at most 10\u00a0% of reals")
    assert text.endswith("it is no proof of fake")
    (open_,) = statements(replace(verdict, answer=ConformalAnswer("cannot judge", 0.1)))
    assert open_.startswith("such a score is rare among neither reals nor fakes")
