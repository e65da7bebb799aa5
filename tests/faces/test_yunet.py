"""YuNet against OpenCV's `FaceDetectorYN`, and faces of all sizes."""

from __future__ import annotations

import hashlib
import os
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faces import pictures, reference
from unmask.core.face import Box, Face
from unmask.faces.boxes import BoxMapping, suppress
from unmask.faces.mtcnn import MtcnnDetector
from unmask.faces.yunet import NMS_THRESHOLD, YunetDetector, reductions

WEIGHTS = resources.files("unmask.faces") / "weights"
THRESHOLD = 0.7
LONG_SIDE_PX = 640


@pytest.fixture(scope="module")
def detector() -> YunetDetector:
    return YunetDetector(threads=1)


@pytest.fixture(scope="module")
def opencv() -> cv2.FaceDetectorYN:
    path = str(WEIGHTS / "yunet.onnx")
    return cv2.FaceDetectorYN.create(path, "", (320, 320), THRESHOLD, NMS_THRESHOLD, 5000)


def by_opencv(network: cv2.FaceDetectorYN, image: NDArray[np.uint8]) -> list[Face]:
    """Return OpenCV's faces: rows of x, y, width, height, five points, score."""
    network.setInputSize((image.shape[1], image.shape[0]))
    rows = network.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
    return [
        Face(
            (float(x), float(y), float(x + w), float(y + h)),
            tuple(zip(points[::2], points[1::2], strict=True)),  # type: ignore[arg-type]  # five
            float(score),
        )
        for x, y, w, h, *points, score in ([] if rows is None else rows)
    ]


def by_numpy(detector: YunetDetector, image: NDArray[np.uint8]) -> list[Face]:
    """Return our faces at one scale, with the network's own boxes."""
    boxes, points, scores = detector.candidates(image, threshold=THRESHOLD)
    keep = suppress(boxes, scores, NMS_THRESHOLD)
    return [Face(tuple(boxes[k]), tuple(map(tuple, points[k])), float(scores[k])) for k in keep]


def check_agreement(
    detector: YunetDetector, opencv: cv2.FaceDetectorYN, images: list[NDArray[np.uint8]], least: int
) -> None:
    """Check IoU > 0.95 and landmarks within 2 px for 98 % of faces, and that none is extra."""
    total = agreed = extra = 0
    for image in images:
        expected, ours = by_opencv(opencv, image), by_numpy(detector, image)
        extra += max(0, len(ours) - len(expected))
        total += len(expected)
        for face in expected:
            best = max(ours, key=lambda each: reference.iou(face.box, each.box), default=None)
            if best is None or reference.iou(face.box, best.box) <= 0.95:
                continue
            gaps = np.linalg.norm(np.array(face.landmarks) - np.array(best.landmarks), axis=1)
            agreed += gaps.max() <= 2 and abs(face.confidence - best.confidence) < 1e-3
    assert total >= least
    assert extra == 0
    assert agreed >= 0.98 * total


def test_public_faces_are_those_of_opencv(
    detector: YunetDetector, opencv: cv2.FaceDetectorYN
) -> None:
    check_agreement(detector, opencv, list(pictures.pictures().values()), least=12)


def test_faces_of_real_frames_are_those_of_opencv(
    detector: YunetDetector, opencv: cv2.FaceDetectorYN
) -> None:
    if "UNMASK_TEST_DATA" not in os.environ:
        pytest.skip("UNMASK_TEST_DATA is not set")
    videos = Path(os.environ["UNMASK_TEST_DATA"]) / "videos"
    check_agreement(detector, opencv, reference.frames(videos, 1, LONG_SIDE_PX), least=50)


@pytest.mark.parametrize("side_px", [100, 250, 500, 900, 1400, 2500])
def test_a_face_is_found_at_any_size(detector: YunetDetector, side_px: int) -> None:
    """At one scale YuNet finds nothing above 600 px, and boxes from 400 px on are too small."""
    (face,) = detector.detect(pictures.astronaut(side_px))
    expected = np.array([179, 62, 268, 178]) * side_px / 512
    assert reference.iou(face.box, tuple(expected)) > 0.8


def test_boxes_are_those_of_mtcnn(detector: YunetDetector) -> None:
    """Crops are cut relative to the common box, so bundles hold for both detectors."""
    mtcnn, ratios, shifts = MtcnnDetector(threads=1), [], []
    for picture in pictures.pictures().values():
        for face in detector.detect(picture):
            other = max(mtcnn.detect(picture), key=lambda each: reference.iou(face.box, each.box))
            sides = np.subtract(face.box[2:], face.box[:2])
            ratios.append(np.subtract(other.box[2:], other.box[:2]) / sides)
            shifts.append(
                (np.add(*np.reshape(other.box, (2, 2))) - np.add(*np.reshape(face.box, (2, 2))))
                / 2
                / sides
            )
    np.testing.assert_allclose(np.median(ratios, axis=0), 1, atol=0.06)
    np.testing.assert_allclose(np.median(shifts, axis=0), 0, atol=0.04)


def test_large_faces_are_found_without_the_finest_picture(detector: YunetDetector) -> None:
    everything = detector.detect(pictures.crowd())
    large = detector.detect(pictures.crowd(), smallest_px=64)
    assert len(large) < len(everything)
    assert reference.iou(large[0].box, everything[0].box) > 0.85


@given(st.integers(12, 8000), st.floats(0, 50))
def test_the_coarsest_picture_is_always_searched(side_px: int, finest: float) -> None:
    powers = reductions(side_px, finest)
    assert side_px / powers[-1] <= 320
    assert powers == sorted(powers)
    assert powers[0] == 1 or powers[0] <= finest


BOXES = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    *[st.floats(-100, 100)] * 2,
    *[st.floats(1, 100)] * 2,
)


@given(BOXES, st.floats(0.5, 2), st.floats(-0.3, 0.3))
def test_a_mapping_scales_and_shifts_a_box(box: Box, ratio: float, shift: float) -> None:
    x0, y0, x1, y1 = BoxMapping(ratio, 1 / ratio, shift).common(box)
    width, height = box[2] - box[0], box[3] - box[1]
    assert (x1 - x0, y1 - y0) == pytest.approx((ratio * width, height / ratio))
    assert (x0 + x1) / 2 == pytest.approx((box[0] + box[2]) / 2, abs=1e-6)
    assert (y0 + y1) / 2 == pytest.approx((box[1] + box[3]) / 2 + shift * height, abs=1e-6)


def test_the_model_is_the_one_that_its_licence_names() -> None:
    digest = hashlib.sha256((WEIGHTS / "yunet.onnx").read_bytes()).hexdigest()
    assert f"SHA-256: {digest}" in (WEIGHTS / "LICENSE-yunet").read_text(encoding="utf-8")
