"""Squares around faces and the pixels cut from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from unmask.core.face import Box
from unmask.faces.squares import cut_square, square_around

WHOLE = st.integers(-200, 200)
SIZES = st.integers(1, 200)


def test_the_square_of_a_wide_box() -> None:
    assert square_around((10, 20, 50, 30), margin_ratio=1.0) == (10, 5, 50, 45)


def test_the_shift_is_in_sides_of_the_square() -> None:
    assert square_around((10, 10, 20, 30), margin_ratio=2, shift_y_ratio=0.25) == (-5, 10, 35, 50)


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (9, 9, 5, 5)])
def test_a_box_without_extent_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="a box has a width and a height above zero"):
        square_around(box, margin_ratio=1.5)


BOXES = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), WHOLE, WHOLE, SIZES, SIZES)


@given(box=BOXES, margin=st.floats(0.5, 3), dy=st.floats(-1, 1))
def test_a_square_keeps_centre_and_longer_side(box: Box, margin: float, dy: float) -> None:
    x0, y0, x1, y1 = box
    square = square_around(box, margin_ratio=margin, shift_y_ratio=dy)
    side = margin * max(x1 - x0, y1 - y0)
    assert square[2] - square[0] == pytest.approx(side)
    assert square[3] - square[1] == pytest.approx(side)
    assert (square[0] + square[2]) / 2 == pytest.approx((x0 + x1) / 2, abs=1e-6)
    assert (square[1] + square[3]) / 2 == pytest.approx((y0 + y1) / 2 + dy * side, abs=1e-6)


@given(box=BOXES, factor=st.sampled_from([0.5, 2.0, 4.0]))
def test_a_square_scales_with_its_box(box: Box, factor: float) -> None:
    x0, y0, x1, y1 = (factor * v for v in box)
    scaled = square_around((x0, y0, x1, y1), margin_ratio=1.5)
    np.testing.assert_allclose(scaled, factor * np.array(square_around(box, margin_ratio=1.5)))


@settings(max_examples=60)
@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    left=st.integers(-60, 60),
    top=st.integers(-60, 60),
    side=st.integers(1, 60),
)
def test_at_its_own_size_a_square_is_a_slice_of_the_mirrored_picture(
    image: np.ndarray, left: int, top: int, side: int
) -> None:
    reach = 130  # further than any square above goes
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    expected = padded[top + reach : top + reach + side, left + reach : left + reach + side]
    got = cut_square(image, (left, top, left + side, top + side), size_px=side)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("square", [(20, 10, 76, 66), (20.5, 10.25, 70.25, 60), (1, 1, 89.5, 89.5)])
@pytest.mark.parametrize("size_px", [16, 48, 128])
def test_an_inner_square_is_resized_as_pillow_does_on_the_whole_picture(
    square: tuple[float, float, float, float], size_px: int
) -> None:
    """Only the outermost pixels may differ: there Pillow's filter looks beyond the square."""
    smooth = Image.fromarray(np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8))
    image = smooth.resize((92, 92), Image.Resampling.BICUBIC)
    expected = image.resize((size_px, size_px), Image.Resampling.BILINEAR, box=square)
    got = cut_square(np.asarray(image), square, size_px=size_px)
    np.testing.assert_array_equal(got[1:-1, 1:-1], np.asarray(expected)[1:-1, 1:-1])
    np.testing.assert_allclose(got.astype(int), np.asarray(expected, dtype=int), atol=3)


def test_a_mirrored_square_is_resized_as_the_padded_picture_is() -> None:
    image = np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    padded = Image.fromarray(np.pad(image, ((30, 30), (30, 30), (0, 0)), mode="symmetric"))
    box = (-12.5, 8.25, 43.5, 64.25)
    expected = padded.resize(
        (24, 24),
        Image.Resampling.BILINEAR,
        box=tuple(v + 30 for v in box),  # type: ignore[arg-type]
    )
    np.testing.assert_array_equal(cut_square(image, box, size_px=24), np.asarray(expected))


def test_luma_is_cut_as_each_colour_is() -> None:
    luma = np.random.default_rng(3).integers(0, 256, (40, 50), dtype=np.uint8)
    box = (-5.5, 3.0, 30.0, 38.5)
    colour = cut_square(np.stack([luma] * 3, axis=-1), box, size_px=20)
    np.testing.assert_array_equal(colour[..., 1], cut_square(luma, box, size_px=20))


def test_a_cut_is_a_copy_and_leaves_the_picture_alone() -> None:
    image = np.zeros((30, 30, 3), dtype=np.uint8)
    got = cut_square(image, (5, 5, 15, 15), size_px=10).copy()
    got[:] = 9
    assert not image.any()
