"""From logits to words, and when nothing is said."""

from dataclasses import replace
from math import exp, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from bundles import manifest
from unmask.scoring import (
    calibrate,
    cannot_judge,
    interval,
    judge_track,
    judge_video,
    scored,
    sharpness,
    turn,
    word,
)
from unmask.values import KeyFrame, Verdict

MANIFEST = manifest()
CALIBRATION = MANIFEST.calibration
LOGITS = st.lists(st.floats(-8, 8), min_size=2, max_size=12)


def key_frame(logit=None, unusable=None):
    points = ((1.0, 1.0),) * 5
    return KeyFrame(
        0, 0.0, (0, 0, 9, 9), points, 90.0, difference=None, logit=logit, unusable=unusable
    )


def track(*logits, still=False):
    return judge_track([key_frame(x) for x in logits], MANIFEST, still=still)


def probability(logit):
    return 1 / (1 + exp(-(1.5 * logit - 0.5)))


@given(LOGITS)
def test_calibration_equals_its_closed_form(logits):
    given_ = calibrate(np.array(logits), CALIBRATION)
    np.testing.assert_allclose(given_, [probability(x) for x in logits], atol=1e-12)


def test_calibration_of_extreme_logits_neither_overflows_nor_warns():
    assert calibrate(np.array([-1e6, 1e6]), CALIBRATION).tolist() == [0.0, 1.0]


@given(LOGITS)
def test_an_interval_holds_its_point_and_lies_in_the_unit_range(logits):
    low, high = interval(np.array(logits), CALIBRATION)
    point = calibrate(np.array([np.mean(logits)]), CALIBRATION)[0]
    assert 0 <= low <= point <= high <= 1


@given(LOGITS, st.integers(0, 5))
def test_an_interval_repeats_with_its_seed(logits, seed):
    values = np.array(logits)
    assert interval(values, CALIBRATION, seed=seed) == interval(values, CALIBRATION, seed=seed)


@pytest.mark.parametrize("logit", [-1.0, 0.0, 0.7])
def test_without_scatter_an_interval_is_that_of_the_calibrations_normal_distribution(logit):
    spread = sqrt(0.04 * logit**2 + 2 * 0.01 * logit + 0.09)
    reach = NormalDist().inv_cdf(0.975) * spread / 1.5
    expected = probability(logit - reach), probability(logit + reach)
    assert interval(np.array([logit] * 3), CALIBRATION) == pytest.approx(expected, abs=0.02)


def test_scatter_of_the_key_frames_widens_the_interval():
    low, high = interval(np.array([0.5] * 8), CALIBRATION)
    wide_low, wide_high = interval(np.array([-2.5, 3.5] * 4), CALIBRATION)
    assert wide_low < low
    assert wide_high > high


@pytest.mark.parametrize(
    ("logit", "expected"),
    [
        (-9.0, "little evidence"),
        (np.nextafter(0.0, -1), "little evidence"),
        (0.0, "some evidence"),
        (np.nextafter(2.0, 0), "some evidence"),
        (2.0, "substantial evidence"),
        (9.0, "substantial evidence"),
    ],
)
def test_words_begin_at_their_thresholds(logit, expected):
    assert word(logit, MANIFEST) == expected


def test_a_track_is_judged_by_its_mean_logit():
    verdict = track(1.0, 2.0, 6.0)
    assert verdict.word == "substantial evidence"
    assert verdict.logit == pytest.approx(3.0)
    assert verdict.probability == pytest.approx(probability(3.0))
    assert verdict.frames_used == 3
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


def test_a_still_needs_one_frame_and_says_so():
    verdict = track(1.0, still=True)
    assert (verdict.word, verdict.frames_used) == ("some evidence", 1)
    assert "one picture only" in verdict.reason
    assert verdict.interval is None
    assert track(still=True).word == "cannot judge"


def test_a_video_is_as_suspicious_as_its_most_suspicious_face():
    calm, worst, unknown = track(-3.0, -3.0, -3.0), track(4.0, 4.0, 4.0), track(1.0)
    assert judge_video([calm, worst, unknown], why_none="no face found") is worst
    assert judge_video([unknown, calm], why_none="no face found") is calm


def test_among_faces_of_one_word_the_highest_logit_counts():
    low, high = track(2.5, 2.5, 2.5), track(3.5, 3.5, 3.5)
    assert judge_video([high, low], why_none="") is high
    assert judge_video([low, high], why_none="") is high


def test_a_video_without_a_face_says_why():
    assert judge_video([], why_none="no face found") == cannot_judge("no face found")


def test_a_video_whose_faces_cannot_be_judged_gives_the_best_ones_reason():
    verdict = judge_video([track(), track(1.0, 1.0)], why_none="no face found")
    assert verdict.word == "cannot judge"
    assert verdict.frames_used == 2
    assert verdict.reason == f"no face could be judged: {track(1.0, 1.0).reason}"


FLAT = np.full((32, 32, 3), 128, dtype=np.uint8)
STRIPED = np.repeat(np.arange(32, dtype=np.uint8) % 2 * 255, 96).reshape(32, 32, 3)
FRONTAL = ((10, 10), (30, 10), (20, 20), (12, 30), (28, 30))
TURNED = ((10, 10), (30, 10), (38, 20), (12, 30), (28, 30))


@pytest.mark.parametrize(
    ("face_px", "crop", "landmarks", "expected"),
    [
        (39.9, STRIPED, FRONTAL, "face too small (40 px, 40 needed)"),
        (40.0, FLAT, FRONTAL, "face too blurred (sharpness 0.0, 5 needed)"),
        (40.0, STRIPED, TURNED, "head turned away (turn 0.90, at most 0.8)"),
        (40.0, STRIPED, FRONTAL, None),
    ],
)
def test_a_crop_is_unusable_beyond_its_limits(face_px, crop, landmarks, expected):
    limits = MANIFEST.judgeable.model_copy(update={"max_turn": 0.8})
    asked = replace(key_frame(0.0), face_px=face_px, landmarks=landmarks)
    found = scored(asked, crop, 1.5, limits)
    assert (found.unusable, found.logit) == (expected, 1.5)
    assert found.sharpness == sharpness(crop)


@given(angle=st.floats(0, 6.28), size=st.floats(0.1, 50), across=st.floats(-2, 2))
def test_turn_is_the_share_across_the_eyes_at_any_angle_and_size(angle, size, across):
    along = size * np.array([np.cos(angle), np.sin(angle)])
    down = np.array([-along[1], along[0]])
    left, right, nose = -along / 2, along / 2, across * along + 0.6 * down
    points = tuple(tuple(map(float, p)) for p in (left, right, nose, left + down, right + down))
    assert turn(points) == pytest.approx(abs(across), abs=1e-9)


def test_eyes_in_one_place_are_turned_away():
    assert turn(((5, 5), (5, 5), (6, 7), (4, 9), (6, 9))) == float("inf")


def test_sharpness_falls_with_every_step_of_blur():
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    blurred = [picture.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4, 8)]
    measured = [sharpness(np.asarray(each)) for each in blurred]
    assert measured == sorted(measured, reverse=True)
    assert measured[-1] < 0.01 * measured[0]


def test_a_flat_crop_has_no_sharpness():
    assert sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0.0


def test_sharpness_equals_scipys_laplacian():
    from scipy.ndimage import laplace

    grey = np.random.default_rng(2).integers(0, 256, (128, 128), dtype=np.uint8)
    expected = laplace(grey.astype(np.float64))[1:-1, 1:-1].var()
    assert sharpness(np.repeat(grey[..., None], 3, axis=2)) == pytest.approx(expected)


def test_a_refusal_without_a_reason_is_no_verdict():
    with pytest.raises(ValueError, match="needs its reason"):
        cannot_judge("")
    with pytest.raises(ValueError, match="does not go with probability"):
        Verdict("cannot judge", 0.5, None, None, 0, "made up")
