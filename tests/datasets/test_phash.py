"""Perceptual hashes against scipy's DCT, what they survive, and the search for the nearest."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.spatial.distance import cdist
from skimage import data

from unmask.datasets.phash import (
    DEFAULT_THRESHOLD_BITS,
    is_flat,
    nearest,
    phash,
    small_luma,
)

PHOTOS = {
    name: np.ascontiguousarray(getattr(data, name)()[:, :, :3])
    for name in ("astronaut", "chelsea", "coffee")
}


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return (phash(small_luma(one)) ^ phash(small_luma(other))).bit_count()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_hash_is_that_of_scipys_transform(seed: int) -> None:
    luma = np.random.default_rng(seed).uniform(0, 255, (32, 32))
    coefficients = dctn(luma, type=2, norm="ortho")[1:9, 1:9].ravel()
    bits = "".join("1" if value > np.median(coefficients) else "0" for value in coefficients)
    assert phash(luma) == int(bits, 2)


def test_luma_is_reduced_to_the_mean_of_each_area() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    luma = image @ np.array([0.299, 0.587, 0.114])
    areas = luma.reshape(32, 2, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small_luma(image), areas, atol=1.5)


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize(("quality", "scale"), [(75, 1.0), (30, 0.5)])
def test_a_compressed_and_scaled_picture_is_within_the_threshold(
    name: str, quality: int, scale: float
) -> None:
    picture = Image.fromarray(PHOTOS[name])
    size = (round(picture.width * scale), round(picture.height * scale))
    stored = io.BytesIO()
    picture.resize(size).save(stored, "JPEG", quality=quality)
    again = np.asarray(Image.open(stored))
    assert distance(PHOTOS[name], again) <= DEFAULT_THRESHOLD_BITS


def test_different_pictures_are_far_apart() -> None:
    names = list(PHOTOS)
    apart = [distance(PHOTOS[a], PHOTOS[b]) for a in names for b in names if a < b]
    assert min(apart) > 4 * DEFAULT_THRESHOLD_BITS


def test_brightness_and_contrast_do_not_matter() -> None:
    paler = (PHOTOS["coffee"] * 0.6 + 60).astype(np.uint8)
    assert distance(PHOTOS["coffee"], paler) <= DEFAULT_THRESHOLD_BITS


def test_black_noise_is_flat_and_a_photo_is_not() -> None:
    noise = np.random.default_rng(0).integers(0, 12, (240, 320, 3), dtype=np.uint8)
    assert is_flat(small_luma(noise))
    assert not is_flat(small_luma(PHOTOS["chelsea"]))


@settings(deadline=None)
@given(
    ours=st.lists(st.integers(0, 2**64 - 1), max_size=20),
    theirs=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20),
)
def test_nearest_is_that_of_scipys_hamming_distance(ours: list[int], theirs: list[int]) -> None:
    result = nearest(np.array(ours, dtype=np.uint64), np.array(theirs, dtype=np.uint64))

    def bits(values: list[int]) -> NDArray[np.bool_]:
        rows = [[c == "1" for c in f"{value:064b}"] for value in values]
        return np.array(rows, dtype=bool).reshape(len(values), 64)

    expected = np.rint(cdist(bits(ours), bits(theirs), "hamming") * 64).astype(int)
    assert result.distances.tolist() == expected.min(axis=1).tolist()
    assert result.indices.tolist() == expected.argmin(axis=1).tolist()


def test_nearest_goes_on_over_many_portions() -> None:
    rng = np.random.default_rng(0)
    references = rng.integers(0, 2**63, 5000, dtype=np.uint64)
    request = references[::-1] ^ np.uint64(5)
    result = nearest(request, references)
    assert result.indices.tolist() == list(range(4999, -1, -1))
    assert set(result.distances.tolist()) == {2}


def test_nearest_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no reference"):
        nearest(np.zeros(1, dtype=np.uint64), np.zeros(0, dtype=np.uint64))
