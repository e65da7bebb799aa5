"""What every face detector does, and how one is made."""

import numpy as np
import pytest
from PIL import Image

from unmask.faces.detector import create


def test_the_astronaut_has_one_face(any_detector, astronaut):
    (face,) = any_detector.detect(astronaut)
    np.testing.assert_allclose(face.box, [179, 60, 268, 176], atol=12)
    assert 0.7 < face.confidence <= 1.0


def test_landmarks_are_in_the_order_of_the_picture(any_detector, astronaut):
    left_eye, right_eye, nose, left_mouth, right_mouth = any_detector.detect(astronaut)[0].landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_two_faces_come_largest_first(any_detector, astronaut):
    both = np.zeros((512, 800, 3), dtype=np.uint8)
    both[:256, :256] = astronaut[::2, ::2]
    both[:, 288:] = astronaut
    first, second = any_detector.detect(both)
    assert first.box[0] > 288 > second.box[2]


def test_the_earlier_box_leads_to_the_same_face(any_detector, astronaut):
    face = any_detector.detect(astronaut)[0]
    (again,) = any_detector.detect(astronaut, [face.box])
    np.testing.assert_allclose(again.box, face.box, atol=10)


def test_a_search_for_large_faces_finds_them(any_detector, astronaut):
    face = any_detector.detect(astronaut)[0]
    (again,) = any_detector.detect(astronaut, smallest_px=48)
    np.testing.assert_allclose(again.box, face.box, atol=10)


def test_a_face_of_the_least_size_is_found(any_detector, astronaut):
    x0, y0, x1, y1 = any_detector.detect(astronaut)[0].box
    scale = any_detector.least_face_px / min(x1 - x0, y1 - y0)
    side = round(scale * len(astronaut))
    small = np.zeros((200, 200, 3), dtype=np.uint8)
    reduced = Image.fromarray(astronaut).resize((side, side), Image.Resampling.BOX)
    small[:side, :side] = np.asarray(reduced)
    (face,) = any_detector.detect(small)
    np.testing.assert_allclose(face.box, np.multiply([x0, y0, x1, y1], scale), atol=6)


def test_no_earlier_boxes_mean_the_whole_picture(any_detector, astronaut):
    assert any_detector.detect(astronaut, []) == any_detector.detect(astronaut)


@pytest.mark.parametrize("shape", [(300, 400), (8, 8), (1, 1), (12, 12), (13, 900), (900, 13)])
def test_a_blank_picture_has_no_face(any_detector, shape):
    blank = np.full((*shape, 3), 128, dtype=np.uint8)
    assert any_detector.detect(blank) == []
    assert any_detector.detect(blank, [(0.0, 0.0, 30.0, 30.0)]) == []


def test_the_picture_is_not_changed(any_detector, astronaut):
    image = astronaut.copy()
    any_detector.detect(image)
    np.testing.assert_array_equal(image, astronaut)


def test_a_view_with_strides_is_as_good_as_its_copy(any_detector, astronaut):
    view = astronaut[:, ::-1]
    assert any_detector.detect(view) == any_detector.detect(np.ascontiguousarray(view))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no face detector 'haar'; there are mtcnn, yunet"):
        create("haar")


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        create("mtcnn", threads=0)
