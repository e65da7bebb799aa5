"""A drawn face with landmarks, for tests of made forgeries."""

from __future__ import annotations

import numpy as np
from PIL import Image

from unmask.training.face_shape import FIVE, SHAPE
from unmask.training.forgeries import FacePicture

EYES_PX = 40.0
CENTRE = np.array((100.0, 85.0))


def drawn_face(side: int = 200, seed: int = 0) -> FacePicture:
    """Return noise with the mean face's landmarks in its middle."""
    pixels = np.random.default_rng(seed).integers(60, 190, (side, side, 3)).astype(np.uint8)
    scale = side / 200
    return FacePicture(Image.fromarray(pixels), (SHAPE * EYES_PX + CENTRE) * scale)


def five_points() -> np.ndarray:
    """Return the five points of the drawn face."""
    return np.asarray(FIVE * EYES_PX + CENTRE)
