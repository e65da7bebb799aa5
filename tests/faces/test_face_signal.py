"""A face measured again in its frame, and what is not fit to be cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask.core.face import Box, Face
from unmask.faces.appearance import look_at
from unmask.faces.face_signal import (
    CUT_OFF,
    HIDDEN,
    NO_FACE,
    ODD_LANDMARKS,
    OTHER_FACE,
    is_face_shaped,
    measure,
)

SHARES = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
WIDTH, HEIGHT = 900, 600


def face_in(box: Box, shares: np.ndarray = SHARES) -> Face:
    corner, sides = np.array(box[:2]), np.array(box[2:]) - box[:2]
    points = tuple((float(x), float(y)) for x, y in corner + shares * sides)
    return Face(box, points, 0.99)


def painted(*boxes: Box) -> np.ndarray:
    """Paint a marker in red in each box's upper left corner, and a pattern of its own in each."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, box in enumerate(boxes, 1):
        x0, y0, x1, y1 = (round(v) for v in box)
        rng = np.random.default_rng(number)
        pattern = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        whole = np.asarray(pattern.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC))
        top, left = max(y0, 0), max(x0, 0)
        part = picture[top:y1, left:x1]
        part[:] = whole[top - y0 :, left - x0 :][: part.shape[0], : part.shape[1]]
    return picture


class Known:
    """Knows where the faces are in the region around the expected box, which is 288 px wide."""

    name = "known"
    sure_confidence = 0.9
    least_face_px = 20.0

    def __init__(self, expected: Box, *faces: Face) -> None:
        reach = 1.5 * max(expected[2] - expected[0], expected[3] - expected[1])
        middle = np.array([expected[0] + expected[2], expected[1] + expected[3]]) / 2
        self.corner, self.scale = middle - reach, 288 / (2 * reach)
        self.faces = faces

    def detect(
        self,
        image: np.ndarray,
        near: Sequence[Box] | None = None,
        *,
        smallest_px: int | None = None,
    ) -> list[Face]:
        assert image.shape == (288, 288, 3)
        return [self._there(face) for face in self.faces]

    def _there(self, face: Face) -> Face:
        box = (np.array(face.box) - np.tile(self.corner, 2)) * self.scale
        points = (np.array(face.landmarks) - self.corner) * self.scale
        return Face(tuple(box.tolist()), tuple(map(tuple, points.tolist())), face.confidence)


EXPECTED: Box = (400, 250, 500, 350)
THERE: Box = (410, 255, 505, 352)


def looks(picture: np.ndarray, box: Box) -> list[Any]:
    return [look_at(picture, box, face_in(box).landmarks)]


def test_box_and_points_are_those_of_the_frame() -> None:
    result = measure(Known(EXPECTED, face_in(THERE)), painted(THERE), face_in(EXPECTED))
    assert (result.detected, result.fault) == (True, None)
    np.testing.assert_allclose(result.face.box, THERE)
    np.testing.assert_allclose(result.face.landmarks, face_in(THERE).landmarks)


@pytest.mark.parametrize("other", [(560, 250, 660, 350), (420, 270, 460, 310)])
def test_no_face_at_its_place(other: Box) -> None:
    """One lies beside it, one is far too small."""
    result = measure(Known(EXPECTED, face_in(other)), painted(other), face_in(EXPECTED))
    assert (result.detected, result.fault) == (False, NO_FACE)
    assert result.face == face_in(EXPECTED)


def test_a_face_that_the_first_pass_saw_there_stands() -> None:
    picture = painted(EXPECTED)
    result = measure(Known(EXPECTED), picture, face_in(EXPECTED), detected_before=True)
    assert (result.detected, result.fault) == (True, None)
    np.testing.assert_allclose(result.face.box, EXPECTED)


def test_another_person_at_the_place_of_a_face() -> None:
    picture = painted(THERE)
    somebody = looks(painted((0, 0, 9, 9), THERE), THERE)
    detector = Known(EXPECTED, face_in(THERE))
    assert measure(detector, picture, face_in(EXPECTED), looks=somebody).fault == OTHER_FACE
    own = looks(picture, THERE)
    assert measure(detector, picture, face_in(EXPECTED), looks=own).fault is None


def test_of_two_faces_the_one_that_looks_like_the_track_is_taken() -> None:
    nearer, own = (402, 250, 502, 350), (440, 250, 540, 350)
    picture = painted(nearer, own)
    detector = Known(EXPECTED, face_in(nearer), face_in(own))
    result = measure(detector, picture, face_in(EXPECTED), looks=looks(picture, own))
    np.testing.assert_allclose(result.face.box, own)


def test_a_face_half_behind_another_is_told() -> None:
    alone = painted(THERE)
    beside: Box = (455, 250, 560, 350)
    picture = alone.copy()
    picture[250:350, 455:560] = painted((0, 0, 9, 9), beside)[250:350, 455:560]
    detector = Known(EXPECTED, face_in(THERE), face_in(beside))
    result = measure(detector, picture, face_in(EXPECTED), looks=looks(alone, THERE))
    assert result.fault in {HIDDEN, OTHER_FACE}


def test_a_face_that_the_edge_cuts_off() -> None:
    box: Box = (-45, 250, 55, 350)
    result = measure(Known(box, face_in(box)), painted(box), face_in(box))
    assert result.fault == CUT_OFF


def test_points_that_make_no_face() -> None:
    upside_down = SHARES[[3, 4, 2, 0, 1]]
    odd = face_in(THERE, upside_down)
    result = measure(Known(EXPECTED, odd), painted(THERE), face_in(EXPECTED))
    assert result.fault == ODD_LANDMARKS


@given(st.floats(0, 2 * np.pi), st.floats(0.05, 1))
def test_a_face_is_one_however_it_is_turned(angle: float, width: float) -> None:
    """In the picture, and to the side until the eyes nearly meet."""
    points = (SHARES - 0.5) * [width, 1]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = 100 * points @ turn
    assert is_face_shaped((-50, -50, 50, 50), tuple(map(tuple, turned.tolist())))


def test_points_outside_the_box_or_in_one_place_make_no_face() -> None:
    assert not is_face_shaped((0, 0, 20, 20), face_in((0, 0, 100, 100)).landmarks)
    assert not is_face_shaped((0, 0, 100, 100), ((50.0, 50.0),) * 5)
