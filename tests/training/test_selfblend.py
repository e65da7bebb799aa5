"""Self-blended fakes: what is changed, what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from toy_material import drawn_face
from unmask.training import selfblend
from unmask.training.selfblend import blend_mask, self_blend

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30)
@given(seed=SEEDS, side=st.sampled_from([32, 96, 128]))
def test_a_mask_is_a_soft_region_that_leaves_the_corners(seed: int, side: int) -> None:
    mask = blend_mask(side, np.random.default_rng(seed))
    assert (mask.shape, mask.dtype) == ((side, side), np.float32)
    assert mask.min() == 0.0
    assert 0.2 < mask.max() <= 1.0
    assert max(mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]) < 0.05


@settings(max_examples=30)
@given(seed=SEEDS)
def test_a_pair_is_a_function_of_picture_and_seed(seed: int) -> None:
    face = drawn_face(1)
    before = face.tobytes()
    one, again = (self_blend(face, np.random.default_rng(seed)) for _ in range(2))
    assert [part.tobytes() for part in one] == [part.tobytes() for part in again]
    assert {(part.size, part.mode) for part in one} == {(face.size, "RGB")}
    assert face.tobytes() == before


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


@pytest.mark.parametrize("seed", range(8))
def test_real_and_fake_differ_inside_the_mask_only(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The face is blended into the picture or into its restyled copy; that one is the real."""
    masks = []

    def recorded(side_px: int, rng: np.random.Generator) -> np.ndarray:
        masks.append(blend_mask(side_px, rng))
        return masks[-1]

    monkeypatch.setattr(selfblend, "blend_mask", recorded)
    monkeypatch.setattr(selfblend, "_restyle", lambda image, _: ImageOps.invert(image))
    face = drawn_face(2)
    real, fake = self_blend(face, np.random.default_rng(seed))
    assert any((pixels(real) == pixels(style)).all() for style in (face, ImageOps.invert(face)))
    outside = masks[0] == 0
    assert outside.mean() > 0.1
    np.testing.assert_array_equal(pixels(fake)[outside], pixels(real)[outside])
    assert (pixels(fake) != pixels(real)).any()


def test_both_ways_of_blending_occur() -> None:
    face = drawn_face(2)
    reals = [self_blend(face, np.random.default_rng(seed))[0] for seed in range(20)]
    assert 4 <= sum((pixels(real) == pixels(face)).all() for real in reals) <= 16


def test_faces_and_mouths_alone_are_blended() -> None:
    """Where the mask lies: always in the middle column, the eyes not with every mask."""
    masks = [blend_mask(64, np.random.default_rng(seed)) > 0.1 for seed in range(60)]
    eyes, mouth = (np.mean([mask[row, 24:40].any() for mask in masks]) for row in (24, 49))
    assert 0.5 < eyes < 0.9
    assert 0.7 < mouth < 1
    assert all(mask[:, 26:38].any() for mask in masks)


def test_a_fake_differs_from_its_real_in_the_face() -> None:
    pairs = [self_blend(drawn_face(3), np.random.default_rng(seed)) for seed in range(20)]
    changes = [np.abs(pixels(fake) - pixels(real)) for real, fake in pairs]
    assert np.mean([change[40:70, 35:60].mean() for change in changes]) > 2
    assert np.mean([change[:4, :4].max() for change in changes]) < 2


def test_grey_pictures_stay_in_range() -> None:
    for level in (0, 255):
        plain = Image.new("RGB", (64, 64), (level,) * 3)
        for part in self_blend(plain, np.random.default_rng(0)):
            assert np.asarray(part).dtype == np.uint8
            assert np.abs(pixels(part) - level).max() < 128
