"""A part that is kept of a frame becomes the same pixels as the whole frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import write_clip
from unmask.core.face import Box
from unmask.core.settings import Limits
from unmask.video import LumaPass, probe, read_frames

LIMITS = Limits()
KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "odd-size.mp4": {"size": (150, 90)},
    "full-range.mkv": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "yuv422.mkv": {"pix_fmt": "yuv422p"},
    "yuv444.mkv": {"pix_fmt": "yuv444p"},
    "turned-90.mp4": {"rotation_ccw": 90},
    "turned-180.mp4": {"rotation_ccw": 180},
    "turned-270.mp4": {"rotation_ccw": 270},
    "mirrored.mp4": {"matrix": [-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]},
    "mirrored-and-turned.mp4": {"matrix": [0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30]},
    "hd.mp4": {"size": (1280, 720), "frames": 2},
}
SQUARES: tuple[Box, ...] = (
    (40.2, 30.7, 77.9, 68.4),
    (-20.0, -10.0, 30.5, 40.5),
    (70.0, 60.0, 190.0, 150.0),
    (-500.0, -500.0, 2000.0, 2000.0),
)


def noise(number: int, size: tuple[int, int]) -> np.ndarray:
    """Return a picture in which each pixel differs from its neighbours."""
    width, height = size
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def unexpected() -> np.ndarray:
    raise AssertionError("more than the part was asked for")


@pytest.mark.parametrize("name", KINDS)
def test_a_part_has_the_pixels_of_the_whole(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, **{"frames": 3, "draw": noise, **KINDS[name]})
    info = probe(path, limits=LIMITS)
    luma = LumaPass(info, sample_fps=30, long_side_px=96, limits=LIMITS)
    stamped = [(f.stamp, [f.full.part(square) for square in SQUARES]) for f in luma if f.full]
    wholes = read_frames(info, [stamp for stamp, _ in stamped], limits=LIMITS)
    for (_, parts), whole in zip(stamped, wholes, strict=True):
        for part, square in zip(parts, SQUARES, strict=True):
            assert part is not None
            assert part.covers(square)
            low, high = np.maximum(square[:2], 0), np.array(whole.image.shape[1::-1])
            x0, y0 = low.astype(int)
            x1, y1 = np.minimum(np.ceil(square[2:]), high).astype(int)
            picture = part.picture(unexpected)
            assert picture.shape == whole.image.shape
            cut = picture[y0:y1, x0:x1]
            np.testing.assert_array_equal(cut, whole.image[y0:y1, x0:x1])


def test_what_lies_beyond_a_part_comes_from_the_whole(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=1)
    info = probe(path, limits=LIMITS)
    (part,) = (
        f.full.part((50, 30, 70, 50))
        for f in LumaPass(info, sample_fps=30, long_side_px=96, limits=LIMITS)
        if f.full
    )
    assert part is not None
    assert not part.covers((40, 30, 70, 50))
    whole = np.arange(96 * 160 * 3, dtype=np.uint32).astype(np.uint8).reshape(96, 160, 3)
    picture = part.picture(lambda: whole)
    np.testing.assert_array_equal(picture[0:96, 10:60], whole[:, 10:60])
    rows, columns = np.array([[0], [95]]), np.array([[0, 159]])
    np.testing.assert_array_equal(picture[rows, columns], whole[rows, columns])


@pytest.mark.parametrize(
    "kind",
    [
        {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}},
        {"pix_fmt": "bgr0", "codec": "ffv1"},
        {"pix_fmt": "yuv420p10le", "codec": "ffv1"},
        {"pixel_aspect": Fraction(2)},
    ],
    ids=["interlaced", "rgb", "ten-bit", "stretched"],
)
def test_frames_of_other_kinds_give_no_part(tmp_path: Path, kind: dict[str, Any]) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=2, **kind)
    luma = LumaPass(probe(path, limits=LIMITS), sample_fps=30, long_side_px=96, limits=LIMITS)
    assert [f.full.part((10, 10, 40, 40)) for f in luma if f.full] == [None, None]
