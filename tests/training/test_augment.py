"""Augmentation: seeded, same size out, and the same for a real crop and its fake."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toy_material import drawn_face
from unmask.training.augment import (
    degrade,
    erase,
    h264,
    jpeg,
    random_window,
    recolour,
    rescale,
    smooth_skin,
    wear,
)

FACE = drawn_face(0)
CHANGES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "window": lambda image, rng: random_window(image, rng, image.width),
    "recolour": lambda image, rng: recolour(image, rng, 0.25),
    "rescale": rescale,
    "wear": wear,
    "smooth": smooth_skin,
    "erase": erase,
    "degrade": degrade,
    "degrade, worn": partial(degrade, worn_ratio=0.9),
    "degrade, erased": partial(degrade, erased_ratio=0.9),
}


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_change_is_seeded_keeps_the_form_and_leaves_its_input(name: str, seed: int) -> None:
    before = FACE.tobytes()
    one, again = (CHANGES[name](FACE, np.random.default_rng(seed)) for _ in range(2))
    assert one.tobytes() == again.tobytes()
    assert (one.size, one.mode) == (FACE.size, "RGB")
    assert FACE.tobytes() == before


@pytest.mark.parametrize("name", CHANGES)
def test_seeds_differ(name: str) -> None:
    result = {CHANGES[name](FACE, np.random.default_rng(seed)).tobytes() for seed in range(12)}
    assert len(result) >= 8


def test_a_window_has_the_size_asked_for_and_both_directions() -> None:
    left = Image.new("RGB", (96, 96))
    left.paste((255, 255, 255), (0, 0, 48, 96))
    sides = [
        np.asarray(random_window(left, np.random.default_rng(seed), 40))[20, 5, 0] > 128
        for seed in range(40)
    ]
    assert 10 < sum(sides) < 30
    assert random_window(left, np.random.default_rng(0), 40).size == (40, 40)


def test_jpeg_of_lower_quality_loses_more() -> None:
    losses = [
        np.abs(np.asarray(jpeg(FACE, q), dtype=int) - np.asarray(FACE)).mean() for q in (90, 50, 10)
    ]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_no_strength_recolours_nothing() -> None:
    same = recolour(FACE, np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(np.asarray(same, dtype=int), np.asarray(FACE), atol=1)


def test_rescaling_takes_detail_away() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    for seed in range(10):
        assert np.std(np.asarray(rescale(noise, np.random.default_rng(seed)))) < np.std(
            np.asarray(noise)
        )


def test_a_small_picture_may_be_compressed_before_it_is_enlarged() -> None:
    """Blocks of 8 pixels of a picture of half the size are blocks of 16 of the whole one."""
    fine = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    for seed in range(5):
        plain, squeezed = (
            rescale(fine, np.random.default_rng(seed), compressed_share=share) for share in (0, 1)
        )
        assert plain.size == squeezed.size
        assert 1 < np.abs(np.asarray(plain, dtype=int) - np.asarray(squeezed)).mean() < 40


def test_h264_loses_more_at_a_higher_factor_and_keeps_the_size() -> None:
    face = drawn_face(3)
    losses = []
    for crf in (10, 25, 45):
        result = h264(face, crf)
        assert (result.mode, result.size) == ("RGB", face.size)
        losses.append(np.abs(np.asarray(result, float) - np.asarray(face, float)).mean())
    assert losses[0] < losses[1] < losses[2]


def test_h264_takes_odd_sides() -> None:
    face = drawn_face(3)
    odd = h264(face.crop((0, 0, 95, 93)), 10)
    assert odd.size == (95, 93)
    assert np.abs(np.asarray(odd, float) - np.asarray(face, float)[:93, :95]).mean() < 8


def test_smoothing_takes_faint_texture_away_and_leaves_edges() -> None:
    rng = np.random.default_rng(0)
    halves = np.full((96, 96, 3), 60.0)
    halves[:, 48:] = 190.0
    textured = Image.fromarray((halves + rng.normal(0, 4, halves.shape)).round().astype(np.uint8))
    for seed in range(10):
        result = np.asarray(smooth_skin(textured, np.random.default_rng(seed)), dtype=float)
        assert result[:, 8:40].std() < 0.8 * np.asarray(textured)[:, 8:40].std()
        assert (result[:, 48] - result[:, 47]).mean() > 120


def test_wearing_takes_the_finest_detail_away() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    steps = [
        np.abs(np.diff(np.asarray(image, dtype=float), axis=1)).mean()
        for image in (
            Image.fromarray(noise),
            *(wear(Image.fromarray(noise), np.random.default_rng(s)) for s in range(10)),
        )
    ]
    assert max(steps[1:]) < steps[0] / 2


def unchanged(**ratio: float) -> int:
    """Count the crops that stay as they are: those that nothing else was drawn for either."""
    return sum(
        degrade(FACE, np.random.default_rng(seed), compression_ratio=0.0, **ratio).tobytes()
        == FACE.tobytes()
        for seed in range(200)
    )


def test_crops_are_worn_as_often_as_is_asked() -> None:
    assert 0 < unchanged(worn_ratio=0.5) < unchanged(worn_ratio=0.0)
    assert unchanged(worn_ratio=0.99) == 0


def test_noise_makes_a_picture_neither_lighter_nor_darker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unmask.training.augment.recolour", lambda image, *_: image)
    grey = Image.new("RGB", (64, 64), (128,) * 3)
    result = [degrade(grey, np.random.default_rng(s), compression_ratio=0.0) for s in range(60)]
    noisy = [
        np.asarray(image, dtype=float) for image in result if image.tobytes() != grey.tobytes()
    ]
    assert len(noisy) > 5
    assert abs(np.mean(noisy) - 128) < 0.1


def test_without_compression_no_crop_has_its_traces() -> None:
    # the only change left to a seed whose other draws do nothing would be compression
    face = drawn_face(4)
    untouched = [
        degrade(face, np.random.default_rng(seed), compression_ratio=0.0).tobytes()
        == face.tobytes()
        for seed in range(60)
    ]
    always = [
        degrade(face, np.random.default_rng(seed), compression_ratio=1.0).tobytes()
        == face.tobytes()
        for seed in range(60)
    ]
    assert any(untouched)
    assert not any(always)


@given(
    seed=st.integers(0, 2**32 - 1),
    sides=st.tuples(st.integers(32, 128), st.integers(32, 128)),
)
def test_one_rectangle_of_one_colour_is_erased(seed: int, sides: tuple[int, int]) -> None:
    # two pictures that differ everywhere agree where both were erased, and only there
    one, other = (Image.new("RGB", sides, (level,) * 3) for level in (0, 255))
    result = [np.asarray(erase(each, np.random.default_rng(seed))) for each in (one, other)]
    erased = (result[0] == result[1]).all(axis=2)
    rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert erased[box].all()
    assert len(np.unique(result[0][box].reshape(-1, 3), axis=0)) == 1
    assert (result[0][~erased] == 0).all()
    assert (result[1][~erased] == 255).all()
    # sides are rounded to whole pixels
    height, width = erased[box].shape
    assert (height + 0.5) * (width + 0.5) >= 0.02 * erased.size
    assert (height - 0.5) * (width - 0.5) <= 0.2 * erased.size


def test_erasing_reaches_every_edge() -> None:
    black = Image.new("RGB", (64, 48))
    result = [np.asarray(erase(black, np.random.default_rng(seed))) for seed in range(300)]
    reached = np.any(result, axis=(0, 3))
    assert all(edge.any() for edge in (reached[0], reached[-1], reached[:, 0], reached[:, -1]))


def test_crops_are_erased_as_often_as_is_asked() -> None:
    assert 0 < unchanged(erased_ratio=0.5) < unchanged(erased_ratio=0.0)
    assert unchanged(erased_ratio=1 - 1e-9) == 0
