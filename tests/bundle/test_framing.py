"""Views within views: the linear maps against Pillow, and as each other's adjoint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask.bundle.framing import ViewGrid, face_square
from unmask.bundle.manifest import Preprocessing, square_within

MEAN, STD = (0.5, 0.25, 0.125), (0.25, 0.5, 2.0)
FIRST = Preprocessing(size_px=64, margin_ratio=1.3, mean=MEAN, std=STD)


def tight(size_px: int = 48) -> Preprocessing:
    other = {"mean": (0.4, 0.5, 0.6), "std": (0.5, 0.25, 0.2)}
    return Preprocessing(size_px=size_px, margin_ratio=0.85, shift_y_ratio=0.06, **other)


@given(
    corner=st.tuples(st.floats(-50, 200), st.floats(-50, 200)),
    sides=st.tuples(st.floats(10, 300), st.floats(10, 300)),
)
def test_a_framing_lies_at_one_place_in_another_for_every_face(
    corner: tuple[float, float], sides: tuple[float, float]
) -> None:
    box = (*corner, corner[0] + sides[0], corner[1] + sides[1])
    outer, inner = face_square(box, FIRST), face_square(box, tight())
    side = outer[2] - outer[0]
    expected = [(edge - outer[axis % 2]) / side for axis, edge in enumerate(inner)]
    np.testing.assert_allclose(square_within(tight(), FIRST), expected, atol=1e-9)


@pytest.mark.parametrize("size_px", [16, 42, 96])
def test_the_inputs_of_a_view_are_pillows_resize_of_its_place(size_px: int) -> None:
    spec = tight(size_px)
    levels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    place = tuple(64 * edge for edge in square_within(spec, FIRST))
    resized = Image.fromarray(levels).resize((size_px,) * 2, Image.Resampling.BILINEAR, box=place)
    images = np.stack([(levels - m) / s for m, s in zip(MEAN, STD, strict=True)])[None]
    result = ViewGrid(spec, FIRST).inputs(images.astype(np.float32))
    for channel in range(3):
        expected = (np.asarray(resized) - spec.mean[channel]) / spec.std[channel]
        np.testing.assert_allclose(result[0, channel], expected, atol=2e-4)


def test_gradients_go_back_by_the_adjoint() -> None:
    grid, rng = ViewGrid(tight(), FIRST), np.random.default_rng(1)
    change = rng.normal(size=(2, 3, 64, 64)).astype(np.float32)
    at_view = rng.normal(size=(2, 3, 48, 48)).astype(np.float32)
    forward = grid.inputs(change) - grid.inputs(np.zeros_like(change))
    assert (forward * at_view).sum() == pytest.approx(
        float((change * grid.gradients(at_view)).sum()), rel=1e-3
    )


def test_the_first_view_is_left_as_it_is() -> None:
    grid, images = ViewGrid(FIRST, FIRST), np.ones((1, 3, 64, 64), np.float32)
    assert grid.inputs(images) is images
    assert grid.placed(images, 64) is images
    assert grid.cells(7) == 7


def test_a_map_lies_where_its_view_does() -> None:
    x0, y0, x1, y1 = square_within(tight(), FIRST)
    placed = ViewGrid(tight(), FIRST).placed(np.ones((1, 5, 5), np.float32), 40)[0]
    centres = (np.arange(40) + 0.5) / 40
    down, across = (centres > y0) & (centres < y1), (centres > x0) & (centres < x1)
    np.testing.assert_allclose(placed, np.outer(down, across), atol=1e-6)
