"""Pictures: maps are transparent where the network did not look."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from unmask.report.pictures import MAP_SIDE_PX, jpeg_uri, overlay, overlay_uri


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_overlay_is_transparent_at_zero_and_opaque_at_one() -> None:
    result = overlay(np.array([[0.0, 1.0]], dtype=np.float32))
    assert result[0, :, 3].tolist() == [0, 255]


def test_overlay_is_a_small_png_with_alpha() -> None:
    picture = decode(overlay_uri(np.full((224, 112), 0.5, dtype=np.float32)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (32, MAP_SIDE_PX))


def test_a_map_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        overlay_uri(np.full((4, 4), np.nan, dtype=np.float32))


def test_crop_keeps_its_size_and_nearly_its_colour() -> None:
    crop = np.full((40, 40, 3), (200, 120, 30), dtype=np.uint8)
    picture = decode(jpeg_uri(crop))
    assert (picture.format, picture.size) == ("JPEG", (40, 40))
    assert np.abs(np.asarray(picture, dtype=int) - crop).max() <= 4
