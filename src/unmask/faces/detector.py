"""The face detector protocol and the table of detectors.

A scan asks `create` for a detector by the name in its settings and then only speaks the protocol,
so that a detector is added by one factory in one dict. Stands between decoding and tracking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.faces.mtcnn import MtcnnDetector
from unmask.faces.yunet import YunetDetector
from unmask.values import Box, Face


class FaceDetector(Protocol):
    """Finds the faces of one picture."""

    name: str
    """Name in `create`."""
    sure_confidence: float
    """What is never found with at least this confidence in a video is hardly a face: hands, folds
    and shadows pass the detector's own threshold now and then."""
    least_face_px: float
    """Shorter side of a face, in pixels, from which 19 of 20 frontal faces are found, as measured;
    smaller ones may go unseen."""

    def detect(
        self,
        image: NDArray[np.uint8],
        near: Sequence[Box] | None = None,
        *,
        smallest_px: int | None = None,
    ) -> list[Face]:
        """Return the faces of a picture, the largest first.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            near: boxes of faces in an earlier frame of the same shot. A detector may then search
                only around them, and new faces may go unseen. None or empty: search everywhere.
            smallest_px: faces smaller than this may go unseen, which saves time; None: the
                detector's own least size.

        Returns:
            Faces in pixels of `image`. A box may reach over the picture's edge.
        """
        ...


def _mtcnn(threads: int, model_path: Path | None) -> FaceDetector:
    if model_path is not None:
        raise ValueError(f"mtcnn has its model built in and takes no model_path, got {model_path}")
    return MtcnnDetector(threads=threads)


def _yunet(threads: int, model_path: Path | None) -> FaceDetector:
    return YunetDetector(threads=threads, model_path=model_path)


DETECTORS: dict[str, Callable[[int, Path | None], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "yunet": _yunet,
}
"""Factories by name."""


def create(name: str, *, threads: int = 2, model_path: Path | None = None) -> FaceDetector:
    """Return a detector.

    Args:
        name: one of `DETECTORS`.
        threads: CPU threads that it may use.
        model_path: file of its model, where it is not the default one.

    Raises:
        ValueError: unknown name, no threads, or a model path for a built-in model.
        ModelNotFound: its model or library is not installed.
    """
    if name not in DETECTORS:
        raise ValueError(f"no face detector {name!r}; there are {', '.join(sorted(DETECTORS))}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return DETECTORS[name](threads, model_path)
