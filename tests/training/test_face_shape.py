"""The mean face, fitted to five points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drawn_faces import CENTRE, EYES_PX, drawn_face, five_points
from unmask.training.face_shape import FIVE, SHAPE, fitted_shape, similarity


def test_the_mean_five_points_give_the_mean_shape() -> None:
    assert np.allclose(fitted_shape(five_points()), drawn_face().points)


@given(st.floats(-3, 3), st.floats(0.1, 50), st.floats(-500, 500), st.floats(-500, 500))
def test_a_fit_turns_scales_and_moves_with_the_face(
    a: float, size: float, x: float, y: float
) -> None:
    turn = size * np.array(((np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))))
    there, shift = similarity(FIVE, FIVE @ turn.T + (x, y))

    assert np.allclose(there, turn, atol=1e-6 * size)
    assert np.allclose(
        fitted_shape(FIVE @ turn.T + (x, y)), SHAPE @ turn.T + (x, y), atol=1e-5 * size
    )
    assert np.allclose(shift, (x, y), atol=1e-6 * max(1, abs(x), abs(y)))


def test_a_lowered_mouth_takes_lips_and_chin_along_and_leaves_the_brows() -> None:
    five = five_points()
    five[3:, 1] += 0.3 * EYES_PX
    before, after = drawn_face().points, fitted_shape(five)
    down = (after - before)[:, 1] / EYES_PX

    assert down[48:68].min() > down[17:27].max() + 0.1
    assert down[8] > down[27]


def test_the_eyes_of_the_shape_lie_where_the_detector_puts_them() -> None:
    eyes = np.stack([SHAPE[36:42].mean(axis=0), SHAPE[42:48].mean(axis=0)])

    assert np.abs(eyes - FIVE[:2]).max() < 0.12
    assert CENTRE.shape == (2,)
