"""Regions of a face, and how much of a map lies in each."""

import numpy as np
import pytest

from unmask.explain.regions import NAMES, describe_regions, region_map, shares

POINTS = np.array([[45.0, 50.0], [83.0, 50.0], [64.0, 72.0], [50.0, 92.0], [78.0, 92.0]])
PLACES = {
    "eyes": (45, 50),
    "mouth": (64, 92),
    "nose": (64, 70),
    "forehead": (64, 25),
    "cheeks and chin": (40, 78),
    "background": (2, 2),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_belongs_to_its_region(name):
    x, y = PLACES[name]
    assert NAMES[region_map((128, 128), POINTS)[y, x]] == name


def test_the_border_lies_around_the_face():
    regions = region_map((128, 128), POINTS)
    around = regions[69]
    assert NAMES[around[0]] == "background"
    assert "face border" in [NAMES[i] for i in around[:40]]


def test_regions_turn_with_the_face():
    turned = np.stack([128 - POINTS[:, 1], POINTS[:, 0]], axis=1)
    upright = region_map((128, 128), POINTS)
    assert (np.rot90(upright, -1) == region_map((128, 128), turned)).mean() > 0.99


def test_shares_sum_to_one_and_name_the_place():
    saliency = np.zeros((128, 128), np.float32)
    saliency[88:96, 58:70] = 1
    result = shares(saliency, POINTS)
    assert result[0] == ("mouth", 1.0)
    assert sum(share for _, share in result) == pytest.approx(1)


def test_no_shares_without_a_map_or_a_face():
    assert shares(np.zeros((128, 128), np.float32), POINTS) is None
    assert shares(np.ones((128, 128), np.float32), np.zeros((5, 2))) is None


def test_small_shares_are_left_out_of_the_words():
    assert describe_regions((("nose", 0.9), ("eyes", 0.06), ("mouth", 0.04))) == (
        "nose 90\u00a0%, eyes 6\u00a0%"
    )
