"""Distortions: what each does to a picture, against other programs and closed forms."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from toy_crops import picture
from unmask.scanner.distortions import DISTORTIONS, Pixels, distort

EACH = [(name, level) for name, kind in DISTORTIONS.items() for level in kind.tried]


@pytest.fixture(scope="module")
def crop() -> Pixels:
    return np.asarray(Image.open(io.BytesIO(picture(3, fake=True, side=129))).convert("RGB"))


def error(crop: Pixels, name: str, level: float) -> float:
    return float(np.abs(distort(crop, name, level).astype(float) - crop).mean())


@pytest.mark.parametrize(("name", "level"), EACH)
def test_a_distortion_keeps_the_shape_changes_pixels_and_repeats(
    crop: Pixels, name: str, level: float
) -> None:
    before = crop.copy()
    result = distort(crop, name, level, seed=5)
    assert result.shape == crop.shape
    assert result.dtype == np.uint8
    assert not np.array_equal(result, crop)
    np.testing.assert_array_equal(crop, before)
    np.testing.assert_array_equal(distort(crop, name, level, seed=5), result)


COMPARED = sorted(DISTORTIONS.keys() - {"horizontal flip", "brightness", "crop shift"})


@pytest.mark.parametrize("name", COMPARED)
def test_further_along_its_curve_a_picture_is_further_from_what_it_was(
    crop: Pixels, name: str
) -> None:
    errors = [error(crop, name, level) for level in DISTORTIONS[name].tried]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def test_nearly_lossless_video_gives_the_picture_back() -> None:
    ramp = np.linspace(20, 230, 48)
    smooth = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 128), axis=-1)
    result = distort(smooth.astype(np.uint8), "H.264", 1)
    assert np.abs(result - smooth).max() <= 8


def test_blur_is_that_of_a_normal_kernel_by_scipy(crop: Pixels) -> None:
    sigma = 2 / 100 * len(crop)
    expected = ndimage.gaussian_filter(crop.astype(float), (sigma, sigma, 0), mode="nearest")
    assert np.abs(distort(crop, "blur", 2) - expected).max() < 6


def test_skin_smoothing_is_the_median_by_scipy(crop: Pixels) -> None:
    large = np.kron(crop, np.ones((4, 4, 1), np.uint8))  # 516 px: 3 % are 15.5, so a window of 17
    expected = ndimage.median_filter(large, size=(17, 17, 1), mode="nearest")
    inner = slice(9, -9)
    result = distort(large, "skin smoothing", 3)
    np.testing.assert_array_equal(result[inner, inner], expected[inner, inner])


def test_noise_has_the_stated_standard_deviation() -> None:
    grey = np.full((100, 100, 3), 128, np.uint8)
    result = distort(grey, "noise", 8).astype(float)
    assert result.std() == pytest.approx(8, rel=0.03)
    assert result.mean() == pytest.approx(128, abs=0.3)


def test_brightness_multiplies_and_stops_at_white() -> None:
    two = np.array([[[100, 100, 100], [200, 200, 200]]], np.uint8)
    assert distort(two, "brightness", 1.5)[0, :, 0].tolist() == [150, 255]


def test_a_shift_moves_a_point_by_its_distance() -> None:
    dot = np.zeros((100, 100, 3), np.uint8)
    dot[50, 50] = 255
    (place,) = np.argwhere(distort(dot, "crop shift", 12, seed=2)[:, :, 0])
    assert np.hypot(*(place - 50)) == pytest.approx(12, abs=0.8)


def test_two_flips_give_the_picture_back(crop: Pixels) -> None:
    once = distort(crop, "horizontal flip", 1)
    np.testing.assert_array_equal(once, np.fliplr(crop))
    np.testing.assert_array_equal(distort(once, "horizontal flip", 1), crop)
