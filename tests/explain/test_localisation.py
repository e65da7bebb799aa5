"""Maps against masks, counted by hand."""

import numpy as np
import pytest

from unmask.explain.localisation import localise


@pytest.fixture
def mask():
    result = np.zeros((10, 10), np.uint8)
    result[:5, :4] = 255
    return result


def test_a_map_on_the_mask_has_it_all(mask):
    result = localise((mask > 0).astype(np.float32), mask)
    assert (result.energy, result.pointing, result.overlap) == (1.0, 1.0, 1.0)


def test_a_map_beside_the_mask_has_nothing(mask):
    result = localise((mask == 0).astype(np.float32), mask)
    assert (result.energy, result.pointing, result.overlap) == (0.0, 0.0, 0.0)


def test_a_map_that_is_the_same_everywhere_has_the_masks_share_of_energy(mask):
    assert localise(np.ones((10, 10), np.float32), mask).energy == pytest.approx(0.2)


def test_half_on_the_mask_overlaps_by_a_third(mask):
    saliency = np.zeros((10, 10), np.float32)
    saliency[:5, 2:6] = 1
    result = localise(saliency, mask)
    assert result.energy == pytest.approx(0.5)
    assert result.overlap == pytest.approx(10 / 30)


@pytest.mark.parametrize("value", [0, 255, 127])
def test_a_mask_of_nothing_or_everything_tells_nothing(value):
    assert localise(np.ones((4, 4), np.float32), np.full((4, 4), value, np.uint8)) is None


def test_an_empty_map_tells_nothing(mask):
    assert localise(np.zeros((10, 10), np.float32), mask) is None


def test_sizes_must_fit(mask):
    with pytest.raises(ValueError, match=r"\(4, 4\) and a mask of \(10, 10\) do not fit"):
        localise(np.ones((4, 4), np.float32), mask)
