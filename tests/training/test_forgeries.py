"""Pairs of a real face and a forgery made from it."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drawn_faces import drawn_face
from unmask.training.face_windows import _MIRRORED, face_window, plain_window
from unmask.training.forgeries import FacePicture, Pair, align_face, blend, misfit, mouth, render

MAKERS: dict[str, Callable[..., Pair]] = {"blend": blend, "mouth": mouth, "rendered": render}


def _difference(pair) -> np.ndarray:
    real, fake = (np.asarray(image, dtype=np.int16) for image in (pair.real, pair.fake))
    return np.abs(real - fake).max(axis=2)


@pytest.mark.parametrize("kind", sorted(MAKERS))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_a_fake_differs_from_its_real_inside_the_mask_alone(kind: str, seed: int) -> None:
    pair = MAKERS[kind](drawn_face(), np.random.default_rng(seed))
    difference = _difference(pair)

    assert (difference[pair.mask == 0] == 0).all()
    assert difference.max() > 0


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_the_same_draws_make_the_same_forgery(kind: str) -> None:
    one, two = (MAKERS[kind](drawn_face(), np.random.default_rng(5)) for _ in range(2))

    assert np.array_equal(one.fake, two.fake)


def test_a_kept_target_is_the_picture_itself() -> None:
    face = drawn_face()
    for seed in range(8):
        pair = blend(face, np.random.default_rng(seed), keep_target=True)
        assert np.array_equal(pair.real, face.image)


def test_a_mouth_stays_in_the_lower_face_or_the_box_of_the_face() -> None:
    face = drawn_face()
    top = face.points[:, 1].min() - 0.1 * np.ptp(face.points[:, 1])
    for seed in range(20):
        rows = np.flatnonzero(mouth(face, np.random.default_rng(seed)).mask.max(axis=1))
        assert rows.min() >= top - 2


def test_a_rendered_picture_is_put_in_with_some_of_the_detail_of_the_original() -> None:
    face = drawn_face()
    flat = Image.new("RGB", face.image.size, (120, 120, 120))
    pairs = [render(face, np.random.default_rng(s), rendered=flat) for s in range(40)]
    whole = [pair for pair in pairs if pair.mask.min() == 1]
    contrast = np.asarray(face.image, dtype=float).std()

    assert whole
    for pair in whole:
        assert 0 < np.asarray(pair.fake, dtype=float).std() < contrast


def test_an_aligned_face_has_its_landmarks_where_the_other_has_them() -> None:
    face = drawn_face()
    dotted = np.zeros((200, 200, 3), dtype=np.uint8)
    moved = face.points * 0.9 + (12, 5)
    x, y = moved[30].round().astype(int)  # the tip of the nose
    dotted[y - 3 : y + 4, x - 3 : x + 4] = 255
    laid = np.asarray(align_face(FacePicture(Image.fromarray(dotted), moved), face))[..., 0]
    spot = np.argwhere(laid > 128).mean(axis=0)[::-1]

    assert np.abs(spot - face.points[30]).max() < 1.5


def test_misfit_is_zero_for_a_turned_copy_and_grows_with_another_pose() -> None:
    points = drawn_face().points
    angle = np.deg2rad(20)
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    squeezed = points * (0.6, 1.0)  # a head turned away

    assert misfit(points, points @ turn.T * 1.3 + 7) < 1e-9
    assert misfit(points, squeezed) > 0.1


def test_a_plain_window_holds_the_margin_around_the_box() -> None:
    face = drawn_face()
    box = (60.0, 50.0, 140.0, 150.0)
    window = plain_window(face.image, box, face.points, margin_ratio=1.3, largest_px=500)

    assert window.image.size == (130, 130)
    assert np.allclose(window.points, face.points - (100 - 65, 100 - 65))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_landmarks_follow_the_picture_through_a_jittered_window(seed: int) -> None:
    pixels = np.zeros((300, 300, 3), dtype=np.uint8)
    face = drawn_face()
    points = face.points + 50
    x, y = points[30].round().astype(int)
    pixels[y - 4 : y + 5, x - 4 : x + 5] = 255
    box = (100.0, 90.0, 200.0, 210.0)
    window = face_window(
        Image.fromarray(pixels), box, points, np.random.default_rng(seed), margin_ratio=1.3,
        largest_px=280,
    )  # fmt: skip
    bright = np.argwhere(np.asarray(window.image)[..., 0] > 100)
    spot = bright.mean(axis=0)[::-1]

    assert np.abs(spot - window.points[30]).max() < 2
    # the picture's left eye comes first, mirrored or not
    assert window.points[36, 0] < window.points[45, 0]


def test_mirroring_twice_gives_every_landmark_back() -> None:
    assert np.array_equal(_MIRRORED[_MIRRORED], np.arange(79))
