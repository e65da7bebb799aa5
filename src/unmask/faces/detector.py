"""The face detector protocol and the table of detectors.

A scan asks `create` for a detector by the name in its settings and then only speaks the protocol,
so that a detector is added by one factory in one dict. Stands between decoding and tracking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box, Face
from unmask.faces.boxes import BoxMapping
from unmask.faces.mtcnn import MtcnnDetector
from unmask.faces.yunet import YunetDetector


class FaceDetector(Protocol):
    """Finds the faces of one picture."""

    name: str
    """Name in `create`."""
    sure_confidence: float
    """What is never found with at least this confidence in a video is hardly a face: hands, folds
    and shadows pass the detector's own threshold now and then."""
    box_mapping: BoxMapping
    """From the boxes of its networks to the common box: what `detect` gives is mapped already."""
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
            Faces in pixels of `image`, with common boxes (see `BoxMapping`), so that a crop shows
            the same part of a face whichever detector found it. A box may reach over the picture's
            edge.
        """
        ...


DETECTORS: dict[str, Callable[[int], FaceDetector]] = {
    "yunet": lambda threads: YunetDetector(threads=threads),
    "mtcnn": lambda threads: MtcnnDetector(threads=threads),
}
"""Factories by name, the default first."""


def create(name: str, *, threads: int = 2) -> FaceDetector:
    """Return a detector.

    Args:
        name: one of `DETECTORS`.
        threads: CPU threads that it may use.

    Raises:
        ValueError: unknown name, or no threads.
    """
    if name not in DETECTORS:
        raise ValueError(f"no face detector {name!r}; there are {', '.join(sorted(DETECTORS))}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return DETECTORS[name](threads)
