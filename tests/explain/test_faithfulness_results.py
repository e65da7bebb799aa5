"""What a check measured goes into a bundle and comes back as a sentence."""

import pytest

from bundles import manifest
from unmask.bundle.manifest import Metric
from unmask.explain.faithfulness_results import (
    NOT_STATED,
    stated_faithfulness,
    to_metrics,
    with_metrics,
)
from unmask.explain.summary import Figure, MethodSummary, Summary


def line(method, centre, random, alike):
    at_centre, at_random = (Figure(m, (m - 0.02, m + 0.02), 9) for m in (centre, random))
    shuffled = (Figure(alike, (alike, alike), 9),)
    return MethodSummary(
        method,
        0.0,
        None,
        None,
        None,
        at_centre,
        at_random,
        None,
        shuffled,
        None,
        None,
        None,
        None,
        "follows the score",
    )


def sentence(*figures):
    summary = Summary((line("gradcam", *figures),), (), 9, 9, 0, 9)
    stated = manifest(metrics=to_metrics(summary, data="9 crops"))
    return dict(stated_faithfulness(stated, ("gradcam", "smoothgrad")))


def test_a_gain_over_both_baselines_is_said():
    text = sentence(0.3, 0.1, 0.0)["gradcam"]
    assert "follows these maps better than a blob" in text
    assert "gain +0.100, 95 % +0.080 to +0.120" in text


@pytest.mark.parametrize(("centre", "random"), [(0.3, 0.01), (0.01, 0.3), (-0.2, -0.1)])
def test_no_gain_over_one_of_them_is_no_gain(centre, random):
    assert "no better than a blob" in sentence(centre, random, 0.0)["gradcam"]


def test_maps_that_survive_shuffling_are_warned_of_before_anything_else():
    assert sentence(0.3, 0.3, 0.7)["gradcam"].startswith("do not rely on these maps")


def test_new_figures_of_maps_take_the_place_of_older_ones_only():
    summary = Summary((line("gradcam", 0.3, 0.1, 0.0),), (), 9, 9, 0, 9)
    older, newer = (to_metrics(summary, data=data) for data in ("older", "newer"))
    other = Metric(name="AUC per crop", value=0.9, interval=(0.8, 1.0), protocol="p")
    result = with_metrics(manifest(metrics=(*older, other)), newer)
    assert result.metrics == (other, *newer)


def test_what_was_not_measured_is_said_to_be_so():
    assert sentence(0.3, 0.3, 0.0)["smoothgrad"] == NOT_STATED
