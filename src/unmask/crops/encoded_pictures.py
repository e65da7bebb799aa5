"""Pictures that lie encoded in tables and crop stores, which may come from anywhere."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from unmask.core.errors import ManifestError
from unmask.system.pillow import refuse_half_pictures

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""Formats that are tried. Pillow's others are not: for PostScript it starts a program."""
MAX_PIXELS = 2**26
"""Largest picture that is decoded: 8192 x 8192."""


def decode_picture(encoded: bytes | None, mode: str = "RGB") -> Image.Image:
    """Decode a picture.

    Args:
        encoded: bytes of its file; None is no picture.
        mode: Pillow's name for what is wanted: `RGB` or `L`.

    Raises:
        ManifestError: it cannot be decoded, or is too large.
    """
    try:
        if encoded is None:
            raise ValueError("there is none")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd tags, and of sizes that are refused here
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            with refuse_half_pictures():
                return picture.convert(mode)
    except Exception as error:  # each of Pillow's decoders has exceptions of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ManifestError(
            f"a picture of a crop cannot be decoded: {reason[:200]}",
            hint="get an undamaged copy, or write the table again",
        ) from error
