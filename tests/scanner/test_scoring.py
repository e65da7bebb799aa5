"""Crops and their logits: calibration, sharpness, turn of the head, what cannot be used."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from bundles import manifest
from unmask.bundle.calibration import calibrate
from unmask.core.scan_record import KeyFrame
from unmask.scanner.scoring import score_key_frame, sharpness, turn

MANIFEST = manifest()
CALIBRATION = MANIFEST.calibration
LOGITS = st.lists(st.floats(-8, 8), min_size=2, max_size=12)


def key_frame(logit=None, unusable=None):
    points = ((1.0, 1.0),) * 5
    return KeyFrame(
        0, 0.0, (0, 0, 9, 9), points, 90.0, difference=None, logit=logit, unusable=unusable
    )


def probability(logit):
    return 1 / (1 + exp(-(1.5 * logit - 0.5)))


@given(LOGITS)
def test_calibration_equals_its_closed_form(logits):
    given_ = calibrate(np.array(logits), CALIBRATION)
    np.testing.assert_allclose(given_, [probability(x) for x in logits], atol=1e-12)


def test_calibration_of_extreme_logits_neither_overflows_nor_warns():
    assert calibrate(np.array([-1e6, 1e6]), CALIBRATION).tolist() == [0.0, 1.0]


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
    request = replace(key_frame(0.0), face_px=face_px, landmarks=landmarks)
    result = score_key_frame(request, crop, 1.5, limits)
    assert (result.unusable, result.logit) == (expected, 1.5)
    assert result.sharpness == sharpness(crop)


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
