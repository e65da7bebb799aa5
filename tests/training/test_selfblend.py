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


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, side=st.sampled_from([32, 96, 128]))
def test_a_mask_is_a_soft_region_that_leaves_the_corners(seed: int, side: int) -> None:
    mask = blend_mask(side, np.random.default_rng(seed))
    assert (mask.shape, mask.dtype) == ((side, side), np.float32)
    assert mask.min() == 0.0
    assert 0.2 < mask.max() <= 1.0
    assert max(mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]) < 0.05


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_a_blend_is_a_function_of_picture_and_seed(seed: int) -> None:
    face = drawn_face(1)
    before = face.tobytes()
    one, again = (self_blend(face, np.random.default_rng(seed)) for _ in range(2))
    assert one.tobytes() == again.tobytes()
    assert (one.size, one.mode, face.tobytes()) == (face.size, "RGB", before)


@pytest.mark.parametrize("seed", range(8))
def test_pixels_outside_the_mask_are_those_of_one_style(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The face is blended into the picture or into its restyled copy, which surrounds it whole."""
    masks = []

    def recorded(side_px: int, rng: np.random.Generator) -> np.ndarray:
        masks.append(blend_mask(side_px, rng))
        return masks[-1]

    monkeypatch.setattr(selfblend, "blend_mask", recorded)
    monkeypatch.setattr(selfblend, "_restyle", lambda image, _: ImageOps.invert(image))
    face = drawn_face(2)
    fake = np.asarray(self_blend(face, np.random.default_rng(seed)), dtype=int)
    styles = [np.asarray(face, dtype=int), np.asarray(ImageOps.invert(face), dtype=int)]
    outside = masks[0] == 0
    assert outside.mean() > 0.1
    assert any((fake[outside] == style[outside]).all() for style in styles)
    assert all((fake != style).any() for style in styles)


def test_a_fake_differs_from_its_real_where_the_mask_is() -> None:
    face = drawn_face(3)
    changes = [
        np.abs(np.asarray(self_blend(face, np.random.default_rng(seed)), int) - np.asarray(face))
        for seed in range(20)
    ]
    inside, corner = np.mean([c[40:70, 35:60].mean() for c in changes]), changes
    assert inside > 3
    assert sum(c[:4, :4].max() == 0 for c in corner) >= 4  # about half are blended into the real


def test_grey_pictures_stay_in_range() -> None:
    for level in (0, 255):
        plain = Image.new("RGB", (64, 64), (level,) * 3)
        fake = np.asarray(self_blend(plain, np.random.default_rng(0)))
        assert fake.dtype == np.uint8
        assert np.abs(fake.astype(int) - level).max() < 128
