"""Deletion, insertion and steadiness, where the right answer is known."""

from itertools import pairwise

import numpy as np
import pytest

from unmask.explain.baselines import centre, random
from unmask.explain.faithfulness import STEPS, blur, curves, order_masks, sensitivity


class Corner:
    """P(fake) depends on the detail of the upper left quarter only."""

    def logits(self, images):
        part = images[:, :, :16, :16]
        return 40 * part.std(axis=(1, 2, 3)) - 20


@pytest.fixture
def image():
    return np.random.default_rng(2).normal(size=(3, 32, 32)).astype(np.float32)


@pytest.fixture
def right():
    saliency = np.zeros((32, 32), np.float32)
    saliency[:16, :16] = 1
    return saliency


def test_curves_run_from_the_picture_to_grey_and_from_blur_to_the_picture(image, right):
    result = curves(Corner(), image, right)
    assert result.deletion.shape == result.insertion.shape == (STEPS + 1,)
    assert result.deletion[0] == result.insertion[-1] > 0.99
    assert result.deletion[-1] < 0.01
    assert result.insertion[0] < 0.01


def test_the_right_map_beats_the_wrong_and_the_random_one(image, right):
    good = curves(Corner(), image, right)
    for other in (1 - right, random(32, seed=0), centre(32)):
        worse = curves(Corner(), image, other)
        assert good.deletion_auc < worse.deletion_auc
        assert good.insertion_auc > worse.insertion_auc


def test_the_area_is_the_trapezoid_rules(image, right):
    result = curves(Corner(), image, right)
    expected = np.trapezoid(result.deletion, np.linspace(0, 1, STEPS + 1))
    assert result.deletion_auc == pytest.approx(expected)


def test_masks_are_nested_and_grow_evenly(right):
    masks = order_masks(right, 4)
    assert [int(mask.sum()) for mask in masks] == [0, 256, 512, 768, 1024]
    assert all((later | earlier == later).all() for earlier, later in pairwise(masks))
    np.testing.assert_array_equal(masks[1], right > 0)


def test_blur_keeps_the_mean_and_loses_the_detail(image):
    soft = blur(image)
    assert soft.shape == image.shape
    assert soft.std() < 0.5 * image.std()
    assert soft.mean() == pytest.approx(image.mean(), abs=0.02)


def test_a_map_that_never_changes_is_perfectly_steady(image, right):
    assert (
        sensitivity(lambda images: np.repeat(right[None], len(images), 0), image, right, seed=0)
        == 0
    )


def test_steadiness_is_the_largest_relative_change(image, right):
    changes = np.array([0.5, 2.0, 1.0])[:, None, None]
    result = sensitivity(lambda images: right * changes, image, right, seed=0)
    assert result == pytest.approx(1.0)


def test_an_empty_map_has_no_steadiness(image):
    assert (
        sensitivity(lambda images: images[:, 0], image, np.zeros((32, 32), np.float32), seed=0)
        is None
    )


def test_baselines_lie_in_the_unit_range_and_the_centre_is_in_the_centre():
    blob, cells = centre(33), random(33, seed=4)
    assert blob[16, 16] == blob.max() == 1
    assert 0 <= cells.min() < cells.max() <= 1
    assert not np.array_equal(cells, random(33, seed=5))
