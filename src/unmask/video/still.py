"""Still pictures, read by Pillow: their size from the header alone, their pixels as shown.

Pillow opens lazily, so that the size is known and checked before a pixel is decoded. Animated GIF
and PNG files are videos and go to libavformat.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from unmask.errors import DecodeError, LimitExceeded
from unmask.settings import Limits

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats looked for (MPO opens as JPEG); Pillow's others (PostScript, ...) are never tried."""

PIXEL_FORMATS = {"RGB": "rgb24", "RGBA": "rgba", "L": "gray", "P": "pal8", "1": "monob"}
"""FFmpeg's name for a Pillow mode, where there is one."""

ORIENTATION = 0x0112
ROTATIONS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""Clockwise turn for an EXIF orientation."""
MIRRORED = (2, 4, 5, 7)
"""EXIF orientations that are mirrored left to right after the turn."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of an EXIF orientation upright."""

HINT_SMALLER = "make a smaller copy of it, and keep the original"
_DAMAGED = (OSError, ValueError, SyntaxError, TypeError, RuntimeError, LookupError, struct.error)
"""What Pillow's readers raise for damaged data, EXIF tags of a wrong type among it."""


def check_pixels(path: str | Path, width_px: int, height_px: int, limits: Limits) -> None:
    """Refuse a picture that would be too large.

    Raises:
        LimitExceeded: more pixels than allowed.
    """
    if width_px * height_px > limits.max_pixels:
        raise LimitExceeded(
            f"{str(path)!r} has {width_px}x{height_px} pixels; at most {limits.max_pixels} allowed",
            hint=HINT_SMALLER,
        )


def open_still(
    path: str | Path, *, limits: Limits, encoded: bytes | None = None
) -> Image.Image | None:
    """Open a picture without decoding it; None if it is none that Pillow knows.

    Args:
        path: the file, or what the picture is called in messages.
        limits: what is refused.
        encoded: the picture's bytes, where it is no file of its own.

    Raises:
        LimitExceeded: its header claims more pixels than allowed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(path if encoded is None else io.BytesIO(encoded), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise LimitExceeded(
            f"{str(path)!r} is too large a picture: {error}", hint=HINT_SMALLER
        ) from error
    except _DAMAGED:
        return None
    try:
        check_pixels(path, *picture.size, limits)
    except LimitExceeded:
        picture.close()
        raise
    return picture


def is_animation(picture: Image.Image) -> bool:
    """Tell whether libavformat should read it: GIF always, PNG where it has several frames."""
    if picture.format == "PNG":
        return int(getattr(picture, "n_frames", 1)) > 1
    return picture.format == "GIF"


def count_of(picture: Image.Image) -> int | None:
    """Return the number of pictures of an animation or of pages that is read as a still, else 1.

    None where more follow than the first and they cannot be counted.
    """
    if picture.format not in ("WEBP", "AVIF", "TIFF"):
        return 1
    try:
        return int(getattr(picture, "n_frames", 1))
    except _DAMAGED:
        return None


def rotation_of(picture: Image.Image) -> int:
    """Return the clockwise turn that the EXIF orientation asks for."""
    return ROTATIONS.get(_orientation(picture), 0)


def is_mirrored(picture: Image.Image) -> bool:
    """Tell whether the EXIF orientation asks to mirror the turned picture left to right."""
    return _orientation(picture) in MIRRORED


def size_as_shown(picture: Image.Image) -> tuple[int, int]:
    """Return width and height after the turn; Pillow gives those of a TIFF file turned already."""
    if picture.format == "TIFF" or rotation_of(picture) % 180 == 0:
        return picture.size
    return picture.height, picture.width


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except _DAMAGED:
        return 1


def metadata_of(picture: Image.Image) -> dict[str, str]:
    """Return text chunks and EXIF entries as text."""
    found = {str(key): value for key, value in picture.info.items() if isinstance(value, str)}
    try:
        tags = dict(picture.getexif())
    except _DAMAGED:
        tags = {}
    for tag, value in tags.items():
        if isinstance(value, str | int | float):
            found[f"exif.{ExifTags.TAGS.get(tag, tag)}"] = str(value)
    return found


def pixels_as_shown(
    path: str | Path, *, limits: Limits, encoded: bytes | None = None
) -> NDArray[np.uint8]:
    """Decode a still picture, turned as its EXIF orientation says.

    Args:
        path: the file, or what the picture is called in messages.
        limits: what is refused.
        encoded: the picture's bytes, where it is no file of its own.

    Returns:
        `(H, W, 3)` RGB.

    Raises:
        DecodeError: it is damaged.
    """
    picture = open_still(path, limits=limits, encoded=encoded)
    if picture is None:
        raise DecodeError(
            f"{str(path)!r} is no picture that can be read", hint="get an undamaged copy"
        )
    try:
        with picture:
            picture.load()  # turns a TIFF file, and then says no more that it is to be turned
            turn = _TURNS.get(_orientation(picture))
            shown = picture if turn is None else picture.transpose(turn)
            if shown.mode.startswith("I"):
                return _from_sixteen_bits(np.asarray(shown))
            return np.array(shown.convert("RGB"), dtype=np.uint8)
    except _DAMAGED as error:
        why = " ".join(str(error).split())
        raise DecodeError(
            f"{str(path)!r} cannot be decoded: {why}", hint="get an undamaged copy"
        ) from error


def _from_sixteen_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    grey = np.clip(values.astype(np.int64) >> 8, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
