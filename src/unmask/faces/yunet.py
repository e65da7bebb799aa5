"""YuNet: the fast face detector, OpenCV's `FaceDetectorYN` with its 230 kB model.

Optional: it needs OpenCV (`pip install 'unmask[yunet]'`) and a model file that is downloaded once
(`unmask models get yunet`). OpenCV is imported when a detector is made, not before. It searches
the whole picture in little time, so it has no use for the boxes of an earlier frame.

Source: Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ModelNotFound
from unmask.faces.downloads import MODELS, user_folder
from unmask.values import Box, Face, Landmarks

SCORE_THRESHOLD = 0.7
"""Least score of a face."""
NMS_THRESHOLD = 0.3
"""Faces that overlap a better one by more than this are dropped."""
TOP_K = 5000
"""Candidates that enter the suppression."""
MIN_SIDE_PX = 12
"""A picture with a shorter side is not searched."""


class YunetDetector:
    """YuNet on the CPU.

    Args:
        threads: threads of OpenCV; OpenCV keeps one number for the whole process.
        model_path: the ONNX file; the one in `user_folder()` if None.

    Raises:
        ModelNotFound: OpenCV or the model file is not installed, or the file is no YuNet model.
    """

    name = "yunet"
    sure_confidence = 0.85
    least_face_px = 24.0

    def __init__(self, *, threads: int = 2, model_path: Path | None = None) -> None:
        path = model_path or user_folder() / MODELS["yunet"].file
        opencv = _opencv()
        if not path.is_file():
            raise ModelNotFound(
                f"the model of the face detector yunet is not at {path}",
                hint="unmask models get yunet",
            )
        opencv.setNumThreads(threads)
        try:
            self._net = opencv.FaceDetectorYN.create(
                str(path), "", (320, 320), SCORE_THRESHOLD, NMS_THRESHOLD, TOP_K
            )
        except opencv.error as error:
            raise ModelNotFound(
                f"{path} is not a model that OpenCV can read",
                hint="delete it, then: unmask models get yunet",
            ) from error

    def detect(
        self,
        image: NDArray[np.uint8],
        near: Sequence[Box] | None = None,  # noqa: ARG002  # part of the protocol
        *,
        smallest_px: int | None = None,  # noqa: ARG002  # part of the protocol
    ) -> list[Face]:
        """Return all faces of a picture, the largest first: it is fast without shortcuts."""
        height, width = image.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            return []
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(np.ascontiguousarray(image[:, :, ::-1]))
        if rows is None:
            return []
        return [_face(row) for row in sorted(rows, key=_area, reverse=True)]


def _opencv() -> ModuleType:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise ModelNotFound(
            "the face detector yunet needs OpenCV, which is not installed",
            hint="pip install 'unmask[yunet]'",
        ) from error


def _area(row: NDArray[np.float32]) -> float:
    return float(row[2] * row[3])


def _face(row: NDArray[np.float32]) -> Face:
    """Read one row: x, y, width, height, five points, score.

    OpenCV names the points from the person's side, right eye first: the left one in the picture.
    """
    x, y, width, height = (float(v) for v in row[:4])
    points = row[4:14].reshape(5, 2)
    marks: Landmarks = tuple((float(u), float(v)) for u, v in points)  # type: ignore[assignment]  # five by construction
    return Face(box=(x, y, x + width, y + height), landmarks=marks, confidence=float(row[14]))
