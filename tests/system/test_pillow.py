"""Half pictures are refused whatever other libraries of the process let Pillow do."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from unmask.core.errors import ManifestError
from unmask.crops.encoded_pictures import decode_picture


def test_half_a_crop_is_refused_and_the_switch_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    with pytest.raises(ManifestError, match="cannot be decoded"):
        decode_picture(file.getvalue()[:2000])
    assert ImageFile.LOAD_TRUNCATED_IMAGES
