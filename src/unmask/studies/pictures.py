"""Pictures of a material: decoded at a network's size, and changed on purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from unmask.crops.encoded_pictures import decode_picture
from unmask.studies.crop_set import Material, join_reasons, with_column
from unmask.studies.synthetic import jpeg

Pixels = NDArray[np.uint8]

MARK_SHARE = 0.16
"""Side of the planted mark over that of the crop."""
_MARK_INSET = 0.04
_MARK_SQUARES = 4
_MARK_VERSION = "checkered square, 16 %, lower right"


def decode_pixels(crops: Material, size_px: int, positions: Iterable[int]) -> Pixels:
    """Return crops `(N, size_px, size_px, 3)` uint8, resized as training resizes them."""
    images = crops.table["image"]
    pixels = []
    for position in positions:
        picture = decode_picture(images[position].as_py())
        if picture.size != (size_px, size_px):
            picture = picture.resize((size_px, size_px), Image.Resampling.BILINEAR)
        pixels.append(np.asarray(picture))
    return np.stack(pixels)


def mark_mask(size_px: int) -> NDArray[np.uint8]:
    """Return where the mark lies, `(size_px, size_px)`: 255 inside."""
    mask = np.zeros((size_px, size_px), np.uint8)
    side, inset = max(2, round(MARK_SHARE * size_px)), round(_MARK_INSET * size_px)
    mask[size_px - inset - side : size_px - inset, size_px - inset - side : size_px - inset] = 255
    return mask


def plant_marks(crops: Material, chosen: NDArray[np.bool_], condition: str) -> Material:
    """Return the crops with a mark planted in those for which `chosen` (N,) holds.

    Args:
        crops: to change.
        chosen: which of them get the mark.
        condition: noted in the column of that name.
    """
    images = crops.table["image"].to_pylist()
    for position in np.flatnonzero(chosen):
        picture = np.array(decode_picture(images[position]))
        inside = mark_mask(picture.shape[0]) > 0
        step = max(1, round(MARK_SHARE * picture.shape[0] / _MARK_SQUARES))
        board = (np.indices(inside.shape) // step).sum(axis=0) % 2 * 255
        picture[inside] = board[inside, None]
        images[position] = jpeg(picture)
    table = with_column(crops.table, "image", images)
    digest = hashlib.sha256(f"{crops.sha256} {_MARK_VERSION}".encode())
    digest.update(np.asarray(chosen, np.uint8).tobytes())
    changed = replace(crops, sha256=digest.hexdigest(), table=table)
    return with_condition(changed, condition)


def with_condition(crops: Material, condition: str) -> Material:
    """Return the crops with a word in their column `condition`."""
    digest = hashlib.sha256(f"{crops.sha256} is {condition}".encode()).hexdigest()
    table = with_column(crops.table, "condition", [condition] * len(crops))
    return replace(crops, sha256=digest, table=table)


def join_materials(parts: Iterable[Material]) -> Material:
    """Return several materials as one, rows in order."""
    listed = list(parts)
    digest = hashlib.sha256(" ".join(part.sha256 for part in listed).encode()).hexdigest()
    title = ", ".join(dict.fromkeys(part.title for part in listed))
    licence = "; ".join(dict.fromkeys(part.licence for part in listed))
    table = pa.concat_tables([part.table for part in listed])
    return Material(title, digest, licence, table, join_reasons(part.leak for part in listed))
