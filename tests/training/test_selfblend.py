"""Self-blended fakes: what is changed, what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageOps

from toy_material import drawn_face
from unmask.training import selfblend
from unmask.training.augment import jpeg
from unmask.training.selfblend import blend_mask, part_of_fake, same_frame, self_blend

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


def forged(real: Image.Image) -> Image.Image:
    """Return the picture with another middle of the face."""
    fake = real.copy()
    box = [share * real.width for share in (0.25, 0.25, 0.75, 0.85)]
    ImageDraw.Draw(fake).ellipse(box, fill=(40, 90, 200))
    return fake


@pytest.mark.parametrize("side", [95, 96, 250])
@pytest.mark.parametrize("seed", range(3))
def test_a_fake_is_of_the_frame_that_it_was_made_from(seed: int, side: int) -> None:
    real = drawn_face(seed, (side, side))
    assert same_frame(real, real)
    assert same_frame(jpeg(forged(real), 40), jpeg(real, 80))


@pytest.mark.parametrize("seed", range(3))
def test_a_shifted_or_another_frame_is_not_the_same(seed: int) -> None:
    real = drawn_face(seed)
    assert not same_frame(forged(ImageChops.offset(real, 8, 0)), real)
    assert not same_frame(forged(ImageChops.offset(real, 0, 8)), real)
    assert not same_frame(drawn_face(seed + 10), real)


@pytest.mark.parametrize(("levels", "same"), [(4, True), (8, False)])
def test_frames_that_differ_by_more_than_compression_are_not_the_same(
    levels: int, same: bool
) -> None:
    one, other = (Image.new("RGB", (96, 96), (level,) * 3) for level in (100, 100 + levels))
    assert same_frame(forged(other), one) is same


def test_frames_of_other_sizes_and_tiny_ones_are_not_compared() -> None:
    real = drawn_face(0)
    assert not same_frame(real.resize((95, 95)), real)
    tiny = real.resize((47, 47))
    assert not same_frame(tiny, tiny)


@pytest.mark.parametrize("seed", range(8))
def test_a_part_of_a_fake_is_the_fake_inside_the_mask_only(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = blend_mask(96, np.random.default_rng(seed))
    monkeypatch.setattr(selfblend, "blend_mask", lambda *_: mask)
    real = drawn_face(4)
    fake = ImageOps.invert(real)
    part = pixels(part_of_fake(fake, real, np.random.default_rng(seed)))
    np.testing.assert_array_equal(part[mask == 0], pixels(real)[mask == 0])
    np.testing.assert_array_equal(part[mask == 1], pixels(fake)[mask == 1])
    low, high = np.sort([pixels(real), pixels(fake)], axis=0)
    assert ((low <= part) & (part <= high)).all()
    assert (part != pixels(real))[mask > 0.1].mean() > 0.8


@given(seed=SEEDS)
def test_a_part_of_a_fake_follows_from_the_seed_and_leaves_both_pictures(seed: int) -> None:
    real = drawn_face(4)
    fake = forged(real)
    before = fake.tobytes(), real.tobytes()
    one, again = (part_of_fake(fake, real, np.random.default_rng(seed)) for _ in range(2))
    assert one.tobytes() == again.tobytes() != before[1]
    assert (one.size, one.mode) == (real.size, "RGB")
    assert (fake.tobytes(), real.tobytes()) == before


@pytest.mark.parametrize("levels", [0, 3])
def test_a_part_that_would_change_next_to_nothing_is_the_whole_fake(levels: int) -> None:
    real = Image.new("RGB", (64, 64), (100, 100, 100))
    fake = Image.new("RGB", (64, 64), (100 + levels, 100, 100 - levels))
    assert all(part_of_fake(fake, real, np.random.default_rng(seed)) is fake for seed in range(8))


def test_where_no_part_is_chosen_the_fake_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfblend, "blend_mask", lambda side, _: np.zeros((side, side), np.float32))
    real = drawn_face(4)
    fake = forged(real)
    assert part_of_fake(fake, real, np.random.default_rng(0)) is fake
