"""MTCNN against facenet-pytorch, and its search around earlier boxes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces import pictures, reference
from unmask.faces.area import AreaTable
from unmask.faces.boxes import suppress
from unmask.faces.mtcnn import MtcnnDetector, pyramid

MIN_FACE_PX = 24
REFERENCE = Path(__file__).with_name("mtcnn_reference.json")


@pytest.fixture(scope="module")
def detector():
    return MtcnnDetector(min_face_px=MIN_FACE_PX)


@pytest.fixture(scope="module")
def real_frames():
    if "UNMASK_TEST_DATA" not in os.environ:
        pytest.skip("UNMASK_TEST_DATA is not set")
    return reference.frames(Path(os.environ["UNMASK_TEST_DATA"]) / "videos", 1, 480)


def test_public_faces_are_those_that_facenet_pytorch_gave(detector):
    """The file is what `tools/make_face_references.py` wrote."""
    expected = json.loads(REFERENCE.read_text(encoding="utf-8"))
    images = pictures.pictures()
    assert images.keys() == expected.keys()
    for name, faces in expected.items():
        result = detector.detect(images[name])
        assert len(result) == len(faces), name
        for face in faces:
            best = max(result, key=lambda f: reference.iou(face["box"], f.box))
            assert reference.iou(face["box"], best.box) > 0.95, name
            gaps = np.linalg.norm(np.array(face["landmarks"]) - best.landmarks, axis=1)
            assert gaps.max() < 2, name


@pytest.mark.filterwarnings("ignore")
def test_faces_are_those_of_facenet_pytorch(detector, real_frames):
    network = reference.load(MIN_FACE_PX)
    overlaps, errors, extra = [], [], 0
    for image in real_frames[::2]:
        expected, result = reference.detect(network, image), detector.detect(image)
        extra += max(0, len(result) - len(expected))
        for face in expected:
            best = max(result, key=lambda f: reference.iou(face.box, f.box), default=None)
            overlaps.append(reference.iou(face.box, best.box) if best else 0.0)
            errors.append(reference.landmark_error(face, best) if best else 1.0)
    assert len(overlaps) >= 25
    assert extra == 0
    assert np.mean(np.array(overlaps) > 0.9) >= 0.95
    assert np.mean(np.array(errors) < 0.05) >= 0.95


def test_search_around_earlier_boxes_finds_the_same_faces(detector, real_frames):
    result = total = 0
    for image in real_frames:
        faces = detector.detect(image)
        near = [tuple(v + 0.1 * (f.box[2] - f.box[0]) for v in f.box) for f in faces]
        again = detector.detect(image, near)
        total += len(faces)
        result += sum(
            max((reference.iou(f.box, g.box) for g in again), default=0) > 0.7 for f in faces
        )
    assert result >= 0.95 * total


def test_search_around_a_shifted_box_finds_the_astronaut(detector, astronaut):
    face = detector.detect(astronaut)[0]
    shifted = tuple(v + 15.0 for v in face.box)
    (again,) = detector.detect(astronaut, [shifted])
    assert reference.iou(face.box, again.box) > 0.8
    assert reference.landmark_error(face, again) < 0.05


def test_search_around_a_box_outside_the_picture_finds_nothing(detector, astronaut):
    assert detector.detect(astronaut, [(900.0, 900.0, 990.0, 990.0)]) == []


def test_smaller_faces_than_asked_for_are_not_found(astronaut):
    assert MtcnnDetector(min_face_px=250).detect(astronaut) == []


def test_min_face_below_the_cell_is_refused():
    with pytest.raises(ValueError, match="at least 12, got 8"):
        MtcnnDetector(min_face_px=8)


def test_pyramid_ends_where_the_shorter_side_is_a_cell():
    scales = pyramid(480, 640, 24)
    assert scales[0] == 0.5
    assert 480 * scales[-1] >= 12 > 480 * scales[-1] * 0.709


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
def test_area_means_are_the_means_of_overlapping_cells(height, width, rows, columns):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    means = AreaTable(image).resize(rows, columns)
    for i, j in ((0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)):
        top, bottom = i * height // rows, -(-(i + 1) * height // rows)
        left, right = j * width // columns, -(-(j + 1) * width // columns)
        expected = image[top:bottom, left:right].mean(axis=(0, 1))
        np.testing.assert_allclose(means[:, i, j], expected, rtol=1e-6)


def test_a_crop_is_the_window_resized():
    image = np.random.default_rng(1).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    crop = AreaTable(image).crops(np.array([[3, 5, 40, 58]]), 24)[0]
    np.testing.assert_array_equal(crop, AreaTable(image[5:58, 3:40]).resize(24, 24))


def test_area_sums_survive_the_wrap_of_32_bits():
    image = np.full((4200, 4200, 3), 255, dtype=np.uint8)
    assert AreaTable(image).resize(7, 7).max() == 255.0


def test_suppression_keeps_the_better_of_two_that_overlap():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]], dtype=np.float32)
    scores = np.array([0.8, 0.9, 0.7], dtype=np.float32)
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2]


def test_inclusive_suppression_drops_a_box_inside_another():
    boxes = np.array([[0, 0, 100, 100], [40, 40, 60, 60]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    assert suppress(boxes, scores, 0.7).tolist() == [0, 1]
    assert suppress(boxes, scores, 0.7, inclusive=True).tolist() == [0]
