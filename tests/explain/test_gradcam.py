"""GradCAM maps against a plain recomputation."""

import numpy as np
import pytest

from unmask.explain import Evidence
from unmask.explain.gradcam import gradcam as raw_gradcam
from unmask.explain.maps import finish


def gradcam(features, gradients, *, size_px):
    evidence = Evidence(np.zeros(len(features), np.float32), features, gradients)
    with np.errstate(invalid="ignore"):
        return finish("gradcam", raw_gradcam(evidence), size_px=size_px).scaled


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    shape = (4, 5, 6, 6)
    return rng.normal(size=shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)


def plain_map(features, gradients):
    """Equations 1 and 2 of the paper with loops, for one picture."""
    channels, height, width = features.shape
    alpha = [sum(gradients[c].ravel().tolist()) / (height * width) for c in range(channels)]
    heat = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            heat[y, x] = max(0.0, sum(alpha[c] * float(features[c, y, x]) for c in range(channels)))
    return heat / heat.max() if heat.max() > 0 else heat


def plain_enlarge(small, size):
    """Bilinear with pixel centres at halves, clamped at the border."""
    count = len(small)
    place = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    rows = np.array([np.interp(place, range(count), row) for row in small])
    return np.array([np.interp(place, range(count), column) for column in rows.T]).T


def test_maps_equal_a_plain_loop(arrays):
    expected = [plain_map(f, g) for f, g in zip(*arrays, strict=True)]
    np.testing.assert_allclose(gradcam(*arrays, size_px=6), expected, atol=1e-5)


@pytest.mark.parametrize("size", [12, 33, 128])
def test_maps_are_enlarged_bilinearly(arrays, size):
    expected = [plain_enlarge(plain_map(f, g), size) for f, g in zip(*arrays, strict=True)]
    np.testing.assert_allclose(gradcam(*arrays, size_px=size), expected, atol=1e-5)


def test_a_picture_has_the_same_map_alone_and_in_a_batch(arrays):
    features, gradients = arrays
    together = gradcam(features, gradients, size_px=20)
    for n in range(len(features)):
        alone = gradcam(features[n : n + 1], gradients[n : n + 1], size_px=20)
        np.testing.assert_allclose(together[n], alone[0], atol=1e-6)


def test_maps_are_float32_in_the_unit_range(arrays):
    maps = gradcam(*arrays, size_px=50)
    assert (maps.shape, maps.dtype) == ((4, 50, 50), np.float32)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_each_map_is_scaled_by_its_own_maximum(arrays):
    features, gradients = arrays
    louder = features * np.array([1, 1e3, 1e-3, 7], np.float32).reshape(4, 1, 1, 1)
    expected = gradcam(features, gradients, size_px=6)
    np.testing.assert_allclose(gradcam(louder, gradients, size_px=6), expected, atol=1e-5)


def test_no_gradient_gives_an_empty_map(arrays):
    assert not gradcam(arrays[0], np.zeros_like(arrays[1]), size_px=9).any()


def test_where_all_speaks_against_the_class_the_map_is_empty(arrays):
    features = np.abs(arrays[0])
    assert not gradcam(features, -np.abs(arrays[1]), size_px=9).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_a_value_that_is_not_finite_empties_its_own_map_only(arrays, value, place):
    expected = gradcam(*arrays, size_px=6)
    arrays[place][1, 2, 3, 3] = value
    maps = gradcam(*arrays, size_px=6)
    assert not maps[1].any()
    np.testing.assert_allclose(maps[[0, 2, 3]], expected[[0, 2, 3]], atol=1e-6)


def test_arrays_of_different_shapes_are_refused(arrays):
    features, gradients = arrays
    with pytest.raises(ValueError, match="shapes differ"):
        gradcam(features, gradients[:, :-1], size_px=6)
    with pytest.raises(ValueError, match="shapes differ"):
        gradcam(features[0], gradients[0], size_px=6)
