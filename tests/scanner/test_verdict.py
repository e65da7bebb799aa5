"""From logits to words, from faces to a video, and when nothing is said."""

from dataclasses import replace
from math import copysign, exp, log, log10, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import manifest
from unmask.bundle.manifest import BundleManifest, load_bundle, shipped_folder
from unmask.core.scan_record import KeyFrame
from unmask.core.verdicts import Verdict, WordRate
from unmask.scanner.verdict import (
    cannot_judge,
    interval,
    judge_track,
    judge_video,
    thresholds,
    why_no_word,
    word,
)

MANIFEST = manifest()
LOGITS = st.lists(st.floats(-8, 8), min_size=2, max_size=12)
ORDER = ("little evidence", "inconclusive", "some evidence", "substantial evidence")
RATES = [
    {"word": word, "of_genuine": genuine, "of_fake": fake}
    for word, genuine, fake in (
        ("little evidence", 0.7, 0.3),
        ("inconclusive", 0.2, 0.2),
        ("some evidence", 0.06, 0.2),
        ("substantial evidence", 0.04, 0.3),
    )
]
WORDS = {
    "little_up_to": -1.0,
    "some_from": 1.0,
    "substantial_from": 3.0,
    "substantial_key_frames": 4,
    "source_sd": 0.8,
    "genuine": 200,
    "fakes": 300,
    "rates": RATES,
    "data": "four sources, each left out in turn",
}
CONFORMAL = {
    "error_rate": 0.05,
    "fake_excluded_below": -2.0,
    "real_excluded_above": 3.0,
    "abstained": 0.2,
    "guarantee": "",
    "data": "draws",
}
BOUNDS = {"log10_lower": -1.0, "log10_upper": 2.0, "cllr": 0.5, "min_cllr": 0.4, "data": "draws"}
EXACT = {"slope": 1.0, "intercept": 0.0, "covariance": ((0.0, 0.0), (0.0, 0.0)), "data": "draws"}


def key_frame(logit=None, unusable=None):
    points = ((1.0, 1.0),) * 5
    return KeyFrame(
        0, 0.0, (0, 0, 9, 9), points, 90.0, difference=None, logit=logit, unusable=unusable
    )


def track(*logits, still=False, detector=MANIFEST):
    return judge_track([key_frame(x) for x in logits], detector, still=still)


def face(log_odds, detector=None):
    """A face over eight frames of a detector whose logit is the log odds."""
    return track(*[log_odds] * 8, detector=detector or manifest(calibration=EXACT))


def video(*log_odds, detector=None):
    detector = detector or manifest(calibration=EXACT)
    faces = {n: face(each, detector) for n, each in enumerate(log_odds, 1)}
    return judge_video(faces, detector, why_none="")


def probability(logit):
    return 1 / (1 + exp(-(1.5 * logit - 0.5)))


def odds(verdict):
    return verdict.probability / (1 - verdict.probability)


@given(LOGITS)
def test_an_interval_holds_its_point(logits):
    low, high = interval(np.array(logits), MANIFEST)
    assert low <= 1.5 * np.mean(logits) - 0.5 <= high


@given(LOGITS, st.integers(0, 5))
def test_an_interval_repeats_with_its_seed(logits, seed):
    values = np.array(logits)
    assert interval(values, MANIFEST, seed=seed) == interval(values, MANIFEST, seed=seed)


@pytest.mark.parametrize("logit", [-1.0, 0.0, 0.7])
@pytest.mark.parametrize("source_sd", [None, 0.8])
def test_without_scatter_an_interval_is_that_of_calibration_and_sources(logit, source_sd):
    variance = 0.04 * logit**2 + 2 * 0.01 * logit + 0.09 + (source_sd or 0.0) ** 2
    reach = NormalDist().inv_cdf(0.975) * sqrt(variance)
    middle = 1.5 * logit - 0.5
    detector = manifest(words={**WORDS, "source_sd": source_sd})
    expected = middle - reach, middle + reach
    assert interval(np.array([logit] * 3), detector) == pytest.approx(expected, abs=0.12)


def test_scatter_of_the_key_frames_widens_the_interval():
    low, high = interval(np.array([0.5] * 8), MANIFEST)
    wide_low, wide_high = interval(np.array([-2.5, 3.5] * 4), MANIFEST)
    assert wide_low < low
    assert wide_high > high


def test_a_verdict_says_whether_its_interval_covers_other_sources():
    assert not track(1.0, 1.0, 1.0).interval_covers_sources
    assert track(1.0, 1.0, 1.0, detector=manifest(words=WORDS)).interval_covers_sources


@pytest.mark.parametrize(
    ("log_odds", "expected"),
    [
        (-9.0, "little evidence"),
        (-1.0, "little evidence"),
        (np.nextafter(-1.0, 0), "inconclusive"),
        (np.nextafter(1.0, 0), "inconclusive"),
        (1.0, "some evidence"),
        (np.nextafter(3.0, 0), "some evidence"),
        (3.0, "substantial evidence"),
        (9.0, "substantial evidence"),
    ],
)
def test_words_begin_at_their_thresholds(log_odds, expected):
    assert word(log_odds, manifest(words=WORDS), key_frames=4) == expected


def test_few_key_frames_are_never_substantial():
    assert word(9.0, manifest(words=WORDS), key_frames=3) == "some evidence"
    assert track(9.0, 9.0, 9.0).word == "some evidence"
    assert track(*[9.0] * 6).word == "substantial evidence"


def test_without_words_the_operating_points_stand_in_and_even_odds_say_nothing():
    ends = thresholds(MANIFEST)
    assert (ends.little_up_to, ends.some_from) == (-log(2), log(2))
    assert ends.substantial_from == pytest.approx(1.5 * 2.0 - 0.5)


DETECTORS = st.builds(
    lambda slope, intercept, conformal, bounds, words: manifest(
        calibration={**EXACT, "slope": slope, "intercept": intercept, "level": "video",
                     "aggregation": "mean"},
        abstention={**CONFORMAL, "fake_excluded_below": conformal[0],
                    "real_excluded_above": conformal[1]},
        likelihood={**BOUNDS, "log10_lower": -bounds, "log10_upper": bounds},
        words=WORDS if words else None,
    ),
    st.floats(0.3, 3.0),
    st.floats(-2.0, 2.0),
    st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0)),
    st.floats(0.0, 3.0),
    st.booleans(),
)  # fmt: skip


@given(DETECTORS, st.floats(-9, 9))
def test_word_ratio_and_conformal_answer_never_contradict(detector: BundleManifest, logit):
    verdict = track(*[logit] * 8, detector=detector)
    words, label = verdict.likelihood.words, verdict.answer.label
    if verdict.word in ("some evidence", "substantial evidence"):
        assert words.endswith("for fake")
        assert label != "real"
        assert verdict.probability > 0.5
    if verdict.word == "little evidence":
        assert words.endswith("for real")
        assert label != "fake"
        assert verdict.probability < 0.5
    if verdict.word == "substantial evidence":
        assert verdict.likelihood.log10 >= 1 - 1e-9


@given(DETECTORS, st.floats(-9, 9), st.floats(0, 9))
def test_more_suspicion_never_gives_a_weaker_word(detector, logit, more):
    words = [track(*[x] * 8, detector=detector).word for x in (logit, logit + more)]
    assert ORDER.index(words[0]) <= ORDER.index(words[1])


@given(st.floats(-9, 9))
def test_no_probability_goes_beyond_what_the_data_support(log_odds):
    verdict = face(log_odds, manifest(calibration=EXACT, likelihood=BOUNDS))
    assert 0.1 - 1e-9 <= odds(verdict) <= 100 + 1e-6
    assert verdict.interval[0] <= verdict.probability <= verdict.interval[1]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ([], "never evaluated"),
        ([{"name": "AUC per crop", "value": 0.55, "interval": [0.48, 0.62], "protocol": "x"}],
         "cannot be told from chance (AUC per crop 0.55, 0.48 to 0.62)"),
    ],
)  # fmt: skip
def test_a_detector_at_chance_accuses_nobody(metrics, said):
    detector = manifest(metrics=metrics)
    assert said in why_no_word(detector)
    for logit in (-9.0, 9.0):
        verdict = track(*[logit] * 8, detector=detector)
        assert verdict.word == "inconclusive"
        assert said in verdict.reason


def test_a_track_is_judged_by_its_mean_logit():
    verdict = track(1.0, 2.0, 6.0, 1.0, 2.0, 6.0)
    assert verdict.word == "substantial evidence"
    assert verdict.logit == pytest.approx(3.0)
    assert verdict.probability == pytest.approx(probability(3.0))
    assert verdict.frames_used == 6
    assert verdict.reason is None


def test_unusable_key_frames_do_not_count():
    frames = [key_frame(-1.0) for _ in range(3)] + [key_frame(50.0, "face too small (9 px)")]
    assert judge_track(frames, MANIFEST, still=False) == track(-1.0, -1.0, -1.0)


def test_too_few_key_frames_cannot_be_judged():
    verdict = track(5.0, 5.0)
    assert verdict.word == "cannot judge"
    assert verdict.probability is verdict.logit is verdict.interval is None
    assert verdict.frames_used == 2
    assert verdict.reason == "2 usable key frames of 2, at least 3 needed"


@pytest.mark.parametrize("why", ["face too small", "face too blurred"])
def test_the_commonest_flaw_is_the_reason(why):
    frames = [key_frame(1.0)] + [key_frame(1.0, f"{why} ({n} px, 40 needed)") for n in range(5)]
    verdict = judge_track(frames, MANIFEST, still=False)
    assert verdict.word == "cannot judge"
    assert verdict.reason == f"1 usable key frame of 6, at least 3 needed; {why} in 5"


def test_a_count_of_a_flaw_is_that_of_this_flaw_alone():
    flaws = ["face too small (9 px)"] * 2 + ["face too blurred (sharpness 1)"]
    verdict = judge_track([key_frame(1.0, f) for f in flaws], MANIFEST, still=False)
    assert verdict.reason.endswith("; face too small in 2")


def test_no_key_frames_at_all_cannot_be_judged():
    verdict = track()
    assert (verdict.word, verdict.frames_used) == ("cannot judge", 0)
    assert "0 usable key frames of 0" in verdict.reason


def test_a_still_needs_one_frame_and_is_never_substantial():
    verdict = track(9.0, still=True)
    assert (verdict.word, verdict.frames_used) == ("some evidence", 1)
    assert "one picture only" in verdict.reason
    assert verdict.interval is None
    assert track(still=True).word == "cannot judge"


def test_a_word_comes_with_how_often_it_is_given_on_sources_left_out():
    verdict = face(2.0, manifest(calibration=EXACT, words=WORDS))
    assert verdict.rate == WordRate(0.06, 0.2, 200, 300, WORDS["data"])
    assert face(2.0).rate is None


def test_the_only_face_decides_for_its_video():
    alone = face(2.0)
    assert video(2.0) == replace(alone, faces_judged=1, deciding_track=1)


def test_the_strongest_face_decides():
    verdict = video(-1.0, 3.0, -2.0)
    assert (verdict.deciding_track, verdict.faces_judged) == (2, 3)


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=30))
def test_odds_of_a_video_are_the_mean_likelihood_ratio_of_its_faces(log_odds):
    assert odds(video(*log_odds)) == pytest.approx(np.mean(np.exp(log_odds)), rel=1e-6)


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=12))
def test_a_video_is_never_more_suspicious_than_its_strongest_face(log_odds):
    verdict = video(*log_odds)
    assert verdict.probability <= max(face(each).probability for each in log_odds) + 1e-12
    low, high = verdict.interval
    assert low <= verdict.probability + 1e-9
    assert verdict.probability <= high + 1e-9


def test_one_suspicious_face_among_many_is_weaker_evidence():
    words = [video(3.2, *[-1.5] * others).word for others in (0, 1, 4, 29)]
    assert words[0] == "substantial evidence"
    assert [ORDER.index(each) for each in words] == sorted(map(ORDER.index, words), reverse=True)
    assert words[-1] in ("inconclusive", "little evidence")


def test_the_ratio_of_a_video_follows_its_faces_and_the_answer_is_left_out():
    detector = manifest(
        calibration={**EXACT, "level": "video", "aggregation": "mean"},
        likelihood=BOUNDS,
        abstention=CONFORMAL,
    )
    verdict = video(log(50.0), log(0.5), log(0.5), detector=detector)
    assert verdict.likelihood.log10 == pytest.approx(log10(51 / 3))
    assert verdict.answer is None
    assert face(log(50.0), detector).answer is not None


def test_more_faces_bring_no_more_false_alarms():
    """Calibrated log odds of genuine faces: normal with mean -s^2 / 2 and variance s^2."""
    rng, spread, runs = np.random.default_rng(0), 2.0, 4000
    shares = {}
    for faces in (1, 2, 5, 10, 30):
        draws = rng.normal(-(spread**2) / 2, spread, size=(runs, faces))
        ratio = np.exp(draws).mean(axis=1)
        shares[faces] = float(np.mean(np.log(ratio) >= log(10)))
    assert shares[1] == pytest.approx(1 - NormalDist(-2.0, 2.0).cdf(log(10)), abs=0.01)
    assert max(shares.values()) <= shares[1] + 0.005


def test_a_video_without_a_face_says_why():
    verdict = judge_video({}, MANIFEST, why_none="no face found")
    assert verdict == cannot_judge("no face found")


def test_faces_that_cannot_be_judged_do_not_count():
    faces = {1: track(), 2: track(1.0, 1.0, 1.0)}
    verdict = judge_video(faces, MANIFEST, why_none="")
    assert (verdict.faces_judged, verdict.deciding_track) == (1, 2)


def test_a_video_whose_faces_cannot_be_judged_gives_the_best_ones_reason():
    verdict = judge_video({1: track(), 2: track(1.0, 1.0)}, MANIFEST, why_none="no face found")
    assert verdict.word == "cannot judge"
    assert verdict.frames_used == 2
    assert verdict.reason == f"no face could be judged: {track(1.0, 1.0).reason}"


def test_a_refusal_without_a_reason_is_no_verdict():
    with pytest.raises(ValueError, match="needs its reason"):
        cannot_judge("")
    with pytest.raises(ValueError, match="does not go with probability"):
        Verdict("cannot judge", 0.5, None, None, 0, "made up")


def test_words_out_of_order_are_refused():
    with pytest.raises(ValueError, match="ascending order"):
        manifest(words={**WORDS, "some_from": -2.0})


def test_a_face_unlike_the_calibration_data_is_never_substantial() -> None:
    seen = {"face_px": (200.0, 300.0), "sharpness": None, "compressions": []}
    detector = manifest(calibration=EXACT, calibrated_range=seen, words=WORDS)
    verdict = face(9.0, detector)
    assert verdict.out_of_range is not None
    assert verdict.word == "some evidence"
    assert verdict.rate is None


def test_few_key_frames_get_no_rate_as_they_cannot_get_every_word() -> None:
    detector = manifest(calibration=EXACT, words=WORDS)
    assert track(2.0, 2.0, 2.0, detector=detector).rate is None
    assert face(2.0, detector).rate is not None


@pytest.mark.parametrize("faces", [1, 2, 30])
def test_the_shipped_detector_contradicts_itself_nowhere_on_its_scale(faces: int) -> None:
    detector = load_bundle(shipped_folder()).manifest
    for logit in np.linspace(-12, 12, 241):
        each = track(*[float(logit)] * 12, detector=detector)
        verdict = judge_video(dict.fromkeys(range(1, faces + 1), each), detector, why_none="")
        side = copysign(1, verdict.likelihood.log10) if verdict.likelihood.log10 else 0
        if verdict.word in ("some evidence", "substantial evidence"):
            assert side > 0
            assert verdict.likelihood.words.endswith("for fake")
            assert each.answer.label != "real"
            assert 0.5 < verdict.probability <= verdict.interval[1]
        elif verdict.word == "little evidence":
            assert side < 0
            assert verdict.likelihood.words.endswith("for real")
            assert each.answer.label != "fake"
            assert verdict.interval[0] <= verdict.probability < 0.5
        else:
            assert verdict.word == "inconclusive"
