"""From crops to rows, from rows to a verdict."""

import dataclasses

import numpy as np
import pytest

from unmask.explain.check import Checked, Checker, MapRow, Sample
from unmask.explain.summary import Figure, summarise, verdict

METHODS = ("gradcam", "occlusion")


@pytest.fixture
def samples():
    rng = np.random.default_rng(3)
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 8:24] = 255
    return [
        Sample(
            f"crop {n}",
            f"video {n // 2}",
            "fake",
            rng.integers(0, 256, (32, 32, 3), np.uint8),
            mask,
        )
        for n in range(6)
    ]


@pytest.fixture
def checker(network):
    def prepare(crops):
        return (crops.transpose(0, 3, 1, 2) / 64 - 2).astype(np.float32)

    return Checker(network, prepare, METHODS, examples=2)


def constant(_values, _cluster):
    return -1.0, 1.0


def test_every_crop_has_a_row_for_each_method_and_baseline(checker, samples):
    checked = checker.check(samples)
    assert {row.method for row in checked.rows} == {*METHODS, "centre", "random"}
    assert len(checked.rows) == 6 * 4
    assert len(checked.examples) == 2
    assert len(checked.pairs) == 6


def test_figures_of_the_masks_and_of_baselines(checker, samples):
    rows = {(r.crop_id, r.method): r for r in checker.check(samples).rows}
    row = rows["crop 0", "gradcam"]
    assert row.mask_share == pytest.approx(16 * 16 / 32**2)
    assert 0 <= row.energy <= 1
    assert row.sensitivity is not None
    assert rows["crop 0", "centre"].sensitivity is None
    assert rows["crop 0", "centre"].empty is None


def test_without_a_mask_nothing_is_said_of_the_place(checker, samples):
    bare = [dataclasses.replace(sample, mask=None) for sample in samples]
    row = checker.check(bare).rows[0]
    assert (row.energy, row.pointing, row.overlap, row.mask_share) == (None,) * 4


def test_the_same_network_taken_for_a_shuffled_one_is_wholly_alike(checker, samples):
    checked = checker.check(samples, shuffled=[(0.5, checker.model), (1.0, checker.model)])
    result = [row.shuffled for row in checked.rows if row.method == "gradcam"]
    assert result == [pytest.approx((1.0, 1.0))] * 6


def test_progress_reaches_its_end(checker, samples):
    text = []
    checker.check(samples, progress=lambda stage, share: text.append((stage, share)))
    assert text[-1] == ("maps", 1.0)


def row(method, crop, deletion, insertion, logit=1.0, **changes):
    map_row = MapRow(
        crop, "v", "fake", method, logit, None, deletion, insertion, (), (), 0.1, *(None,) * 4
    )
    return dataclasses.replace(map_row, **changes)


def test_the_gain_is_the_mean_improvement_over_the_baseline():
    rows = (
        row("gradcam", "a", 0.2, 0.9),
        row("centre", "a", 0.5, 0.7),
        row("random", "a", 0.6, 0.5),
    )
    summary = summarise(Checked(rows, (), ()), threshold=0.0, interval=constant)
    line = summary.methods[0]
    assert line.gain_centre.mean == pytest.approx((0.3 + 0.2) / 2)
    assert line.gain_random.mean == pytest.approx((0.4 + 0.4) / 2)
    assert summary.methods[1].gain_centre is None


def test_faithfulness_is_judged_on_what_is_called_fake_only():
    rows = tuple(
        row(method, crop, 0.5, value, logit)
        for crop, logit, value in (("a", 2.0, 0.9), ("b", -2.0, 0.1))
        for method in ("gradcam", "centre", "random")
    )
    summary = summarise(Checked(rows, (), ()), threshold=0.0, interval=constant)
    assert summary.called_fake == 1
    assert summary.methods[0].insertion == Figure(0.9, (-1.0, 1.0), 1)


def test_curves_are_means_over_what_is_called_fake():
    rows = tuple(
        dataclasses.replace(
            row(method, crop, 0.5, 0.5, logit), deletion=(1.0, value), insertion=(value, 1.0)
        )
        for crop, logit, value in (("a", 2.0, 0.2), ("b", 1.0, 0.4), ("c", -2.0, 0.9))
        for method in ("gradcam", "centre", "random")
    )
    curves = summarise(Checked(rows, (), ()), threshold=0.0, interval=constant).methods[0].curves
    assert curves.deletion == pytest.approx((1.0, 0.3))
    assert curves.insertion == pytest.approx((0.3, 1.0))


def test_empty_maps_are_counted_and_left_out():
    rows = (
        row("gradcam", "a", None, None, empty="nothing in this picture raises the score"),
        row("gradcam", "b", 0.2, 0.8),
        *(row(m, c, 0.5, 0.5) for m in ("centre", "random") for c in "ab"),
    )
    line = summarise(Checked(rows, (), ()), threshold=0.0, interval=constant).methods[0]
    assert line.empty == 0.5
    assert line.gain_centre.crops == 1


GOOD, NONE, BAD = (Figure(m, (m - 0.05, m + 0.05), 9) for m in (0.1, 0.0, -0.1))


@pytest.mark.parametrize(
    ("over_centre", "over_random", "alike", "word"),
    [
        (GOOD, GOOD, 0.1, "follows the score"),
        (GOOD, GOOD, 0.5, "untrustworthy"),
        (NONE, GOOD, 0.1, "no better than a baseline"),
        (GOOD, NONE, 0.1, "no better than a baseline"),
        (BAD, BAD, 0.1, "no better than a baseline"),
        (None, None, 0.1, "not measured"),
        (Figure(0.3, None, 2), Figure(0.3, None, 2), 0.1, "not measured"),
    ],
)
def test_the_verdict_follows_its_rule(over_centre, over_random, alike, word):
    shuffled = (Figure(0.9, None, 9), Figure(alike, None, 9))
    assert verdict(over_centre, over_random, shuffled) == word
