"""What other libraries of the process change in Pillow, set right while we decode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile


@contextmanager
def refuse_half_pictures() -> Iterator[None]:
    """Let Pillow raise for a picture whose data ends early or is broken.

    Other libraries switch that off for the whole process: WeasyPrint does as it is imported.
    """
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
