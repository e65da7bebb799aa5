"""Still pictures, read by Pillow: their size from the header alone, their pixels as shown.

Pillow opens lazily, so that the size is known and checked before a pixel is decoded. Animated GIF
and PNG files are videos and go to libavformat. Rows that are missing or damaged come with the
pixels: the libraries show them as black or as what they make of them, and say nothing to Python.
"""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from unmask.core.errors import DecodeError, LimitExceeded
from unmask.core.settings import Limits
from unmask.system.pillow import refuse_half_pictures
from unmask.video import png

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats looked for (MPO opens as JPEG); Pillow's others (PostScript, ...) are never tried."""
_PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif")
"""Pillow's modules of them."""
_HEAD_BYTES = 16
"""What Pillow tells formats by."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"msf1")
"""What the first box of a HEIC picture names."""
_MOST_HEIF_META_BYTES = 2**20
"""More than the metadata of a picture in thousands of tiles."""

PIXEL_FORMATS = {"RGB": "rgb24", "RGBA": "rgba", "L": "gray", "P": "pal8", "1": "monob"}
"""FFmpeg's name for a Pillow mode, where there is one."""

ORIENTATION = 0x0112
ROTATIONS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""Clockwise turn for an EXIF orientation."""
MIRRORED = (2, 4, 5, 7)
"""EXIF orientations that are mirrored left to right after the turn."""
HINT_SMALLER = "make a smaller copy of it, and keep the original"
_DAMAGED = (OSError, ValueError, SyntaxError, TypeError, RuntimeError, LookupError, struct.error)
"""What Pillow's readers raise for damaged data, EXIF tags of a wrong type among it."""
_BAND_PIXELS = 4_000_000
"""Pixels that are turned into RGB at once."""
_MOST_SAID = 4000
"""Bytes of libtiff's messages that are looked at."""
_LIBTIFF = re.compile(
    r"_?(TIFF|ZIP|LZW|O?JPEG|Fax|PixarLog|LogLu?v?|PackBits|Dump|LERC|ZSTD|LZMA|WebP|JBIG|Thunder|"
    r"NeXT)\w*: ",
    re.IGNORECASE,
)
"""How a line of libtiff begins: with the name of its function."""
_one_listener = threading.Lock()
"""Standard error is the whole process's."""


@dataclass(frozen=True, eq=False)
class StillPixels:
    """A decoded still picture."""

    pixels: NDArray[np.uint8]
    """`(H, W, 3)` RGB, as shown."""
    damage: tuple[str, ...]
    """What is missing or damaged of it, a sentence part each."""
    is_spoilt: bool = False
    """Whether what is there is damaged, nobody knows where: traces of damage look like others."""


def check_pixels(path: str | Path, width_px: int, height_px: int, limits: Limits) -> None:
    """Refuse a picture that would be too large.

    Raises:
        LimitExceeded: more pixels than allowed, or a longer side.
    """
    if max(width_px, height_px) > limits.max_side_px:
        raise LimitExceeded(
            f"{str(path)!r} has {width_px}x{height_px} pixels; at most {limits.max_side_px} a side "
            "are allowed",
            hint="cut it into parts, and keep the original",
        )
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
    with (
        suppress(OSError, ValueError),
        _open(path, encoded) as file,
    ):  # the scan says what cannot be read
        png.check_chunks(file, path, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            formats = _formats(path, encoded)
            if not _begins_as_one_of(formats, path, encoded):
                return None
            source = path if encoded is None else io.BytesIO(encoded)
            picture = Image.open(source, formats=formats)
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
    if picture.format == "HEIF":
        _restore_orientation(picture, path, encoded)
    return picture


def _restore_orientation(picture: Image.Image, path: str | Path, encoded: bytes | None) -> None:
    """Put back the EXIF orientation of a HEIC picture whose boxes do not turn it.

    Phones write both, and `pillow-heif` turns by the boxes and takes the orientation out. Some
    programs write EXIF alone: their pictures would lie on the side.
    """
    orientation = picture.info.get("original_orientation")
    if not isinstance(orientation, int):
        return
    with suppress(OSError, ValueError), _open(path, encoded) as file:
        if not _turned_by_boxes(file):
            picture.getexif()[ORIENTATION] = orientation


def _turned_by_boxes(file: IO[bytes]) -> bool:
    """Tell whether the metadata of a HEIC file names a turn (`irot`) or a mirroring (`imir`)."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"meta":
            properties = file.read(min(size - 8, _MOST_HEIF_META_BYTES))
            return b"irot" in properties or b"imir" in properties
        if size < 8:  # a size of its own, or to the end of the file: not before the metadata
            return False
        file.seek(size - 8, io.SEEK_CUR)
    return False


def _formats(path: str | Path, encoded: bytes | None) -> tuple[str, ...]:
    """Return the formats to try: HEIC where the file is one and `pillow-heif` is installed.

    It puts tiles together and turns the picture as its boxes say.
    """
    with suppress(OSError, ValueError), _open(path, encoded) as file:
        if is_heif(file.read(12)) and find_spec("pillow_heif") is not None:
            from pillow_heif import register_heif_opener

            register_heif_opener()  # doing so again changes nothing
            return (*FORMATS, "HEIF")
    return FORMATS


def _begins_as_one_of(formats: Sequence[str], path: str | Path, encoded: bytes | None) -> bool:
    """Tell whether a file begins as one of some formats, by Pillow's own tests.

    `Image.open` would load all of Pillow's modules for a file that none of these formats takes.

    Raises:
        OSError: the file cannot be read.
    """
    for plugin in _PLUGINS:
        import_module(f"PIL.{plugin}ImagePlugin")
    with _open(path, encoded) as file:
        head = file.read(_HEAD_BYTES)
    tests = (Image.OPEN[name][1] for name in formats if name in Image.OPEN)
    return any(test is None or test(head) for test in tests)


def is_heif(head: bytes) -> bool:
    """Tell from the first 12 bytes whether a file is a HEIC picture; AVIF is Pillow's own."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_animation(picture: Image.Image) -> bool:
    """Tell whether libavformat should read it: GIF always, PNG where it has several frames."""
    if picture.format == "PNG":
        return int(getattr(picture, "n_frames", 1)) > 1
    return picture.format == "GIF"


def count_pictures(path: str | Path, picture: Image.Image, limits: Limits) -> int | None:
    """Return the number of pictures of an animation or of pages that is read as a still, else 1.

    None where more follow than the first and they cannot be counted, or are too many.
    """
    if picture.format not in ("WEBP", "AVIF", "HEIF", "TIFF"):
        return 1
    if picture.format == "TIFF" and not _has_few_pages(path, limits.max_pages):
        return None
    try:
        return int(getattr(picture, "n_frames", 1))
    except _DAMAGED:
        return None


def _has_few_pages(path: str | Path, most: int) -> bool:
    """Follow the chain of a TIFF file's pages, as Pillow reads each with all its tags."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(16)
            order = "<" if head[:2] == b"II" else ">"
            big = struct.unpack(f"{order}H", head[2:4])[0] == 43
            number, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
            (place,) = struct.unpack_from(f"{order}{link}", head, 8 if big else 4)
            count = 0
            while place:
                if count == most:
                    return False
                file.seek(place)
                (entries,) = struct.unpack(f"{order}{number}", file.read(struct.calcsize(number)))
                file.seek(entries * entry, os.SEEK_CUR)
                (place,) = struct.unpack(f"{order}{link}", file.read(struct.calcsize(link)))
                count += 1
    except (OSError, struct.error, OverflowError, ValueError):
        return True  # Pillow comes no further
    return True


def read_rotation(picture: Image.Image) -> int:
    """Return the clockwise turn that the EXIF orientation asks for."""
    return ROTATIONS.get(_orientation(picture), 0)


def is_mirrored(picture: Image.Image) -> bool:
    """Tell whether the EXIF orientation asks to mirror the turned picture left to right."""
    return _orientation(picture) in MIRRORED


def size_as_shown(picture: Image.Image) -> tuple[int, int]:
    """Return width and height after the turn; Pillow gives those of a TIFF file turned already."""
    if picture.format == "TIFF" or read_rotation(picture) % 180 == 0:
        return picture.size
    return picture.height, picture.width


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except _DAMAGED:
        return 1


def read_metadata(picture: Image.Image) -> dict[str, str]:
    """Return text chunks and EXIF entries as text."""
    entries = {str(key): value for key, value in picture.info.items() if isinstance(value, str)}
    try:
        tags = dict(picture.getexif())
    except _DAMAGED:
        tags = {}
    for tag, value in tags.items():
        if isinstance(value, str | int | float):
            entries[f"exif.{ExifTags.TAGS.get(tag, tag)}"] = str(value)
    return entries


def pixels_as_shown(
    path: str | Path, *, limits: Limits, encoded: bytes | None = None
) -> NDArray[np.uint8]:
    """Decode a still picture, turned as its EXIF orientation says, damaged or not.

    Args:
        path: the file, or what the picture is called in messages.
        limits: what is refused.
        encoded: the picture's bytes, where it is no file of its own.

    Returns:
        `(H, W, 3)` RGB.

    Raises:
        DecodeError: nothing can be made of it.
    """
    return decode_still(path, limits=limits, encoded=encoded).pixels


def decode_still(path: str | Path, *, limits: Limits, encoded: bytes | None = None) -> StillPixels:
    """Decode a still picture, and find out what is missing of it.

    Args:
        path: the file, or what the picture is called in messages.
        limits: what is refused.
        encoded: the picture's bytes, where it is no file of its own.

    Raises:
        DecodeError: nothing can be made of it.
    """
    picture = open_still(path, limits=limits, encoded=encoded)
    if picture is None:
        raise DecodeError(
            f"{str(path)!r} is no picture that can be read", hint="get an undamaged copy"
        )
    try:
        with picture:
            damage = _damage(path, picture, encoded)
            with refuse_half_pictures(), _messages(picture.format) as messages:
                picture.load()  # turns a TIFF file, and then says no more that it is to be turned
            turn = _orientation(picture)
            pixels = _rgb(picture)
        spoilt = bool(messages) or any(each.startswith(png.DAMAGED) for each in damage)
        return StillPixels(_turn(pixels, turn), (*damage, *messages), spoilt)
    except _DAMAGED as error:
        why = " ".join(str(error).split())
        raise DecodeError(
            f"{str(path)!r} cannot be decoded: {why}", hint="get an undamaged copy"
        ) from error


def _damage(path: str | Path, picture: Image.Image, encoded: bytes | None) -> tuple[str, ...]:
    """Return what the file's own checksums say; only PNG has some that Pillow passes over."""
    if picture.format != "PNG":
        return ()
    with _open(path, encoded) as file:
        return png.list_missing(file)


def _open(path: str | Path, encoded: bytes | None) -> IO[bytes]:
    return Path(path).open("rb") if encoded is None else io.BytesIO(encoded)


@contextmanager
def _messages(picture_format: str | None) -> Iterator[list[str]]:
    """Collect what libtiff says while the block runs: it prints errors, and Pillow goes on.

    It does so where it makes RGB itself, of YCbCr for one.
    """
    messages: list[str] = []
    if picture_format != "TIFF":
        yield messages
        return
    with _one_listener, tempfile.TemporaryFile() as heard:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(before, 2)
            os.close(before)
            heard.seek(0)
            text = heard.read(_MOST_SAID).decode("utf-8", "replace")
    # other threads of a program may print at the same time
    lines = [line for line in text.splitlines() if _LIBTIFF.match(line)]
    messages += [f"damaged rows: {' '.join(line.split())}" for line in lines[:1]]


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a picture as RGB, a band at a time: copies would cost twice as much."""
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(height, top + rows)))
        if band.mode.startswith("I"):
            pixels[top : top + rows] = _from_sixteen_bits(np.asarray(band))
        else:
            pixels[top : top + rows] = np.asarray(band.convert("RGB"))
    return pixels


def _turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror as an EXIF orientation says."""
    turned = np.rot90(pixels, -ROTATIONS.get(orientation, 0) // 90)
    return np.ascontiguousarray(turned[:, ::-1] if orientation in MIRRORED else turned)


def _from_sixteen_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    grey = np.clip(values.astype(np.int64) >> 8, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
