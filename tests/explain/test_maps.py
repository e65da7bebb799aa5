"""A map is scaled by its own maximum, or empty with a reason."""

import numpy as np
import pytest

from unmask.explain.maps import enlarge, finish


def one(values):
    return finish("m", np.array([values], np.float32), size_px=12)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], "nothing in this picture raises the score"),
        ([[-1.0, -2.0], [-3.0, -4.0]], "nothing in this picture raises the score"),
        ([[2.0, 2.0], [2.0, 2.0]], "the map is the same everywhere"),
        ([[2.0, 2.0 - 1e-7], [2.0, 2.0]], "the map is the same everywhere"),
        ([[np.nan, 1.0], [0.0, 0.0]], "a value is not finite"),
        ([[np.inf, 1.0], [0.0, 0.0]], "a value is not finite"),
    ],
)
def test_a_map_that_says_nothing_is_zero_and_says_why(values, reason):
    result = one(values)
    assert result.empty == (reason,)
    assert not result.scaled.any()


def test_the_raw_map_is_kept_with_its_sign():
    np.testing.assert_array_equal(one([[-1.0, 2.0], [0.5, 0.0]]).raw, [[[-1, 2], [0.5, 0]]])


def test_what_speaks_against_is_zero_and_the_maximum_is_one():
    scaled = one([[-1.0, 2.0], [0.5, 0.0]]).scaled[0]
    assert (scaled.dtype, scaled.shape) == (np.float32, (12, 12))
    assert (scaled[0, 0], scaled[0, -1], scaled[-1, 0]) == (0.0, 1.0, 0.25)


def test_a_map_that_shrinks_is_averaged():
    fine = np.zeros((24, 24), np.float32)
    fine[4, 4] = 1.0
    assert 0 < enlarge(fine, 6).max() < 0.2
