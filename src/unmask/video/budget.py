"""What the frames of a video may cost while it is read: memory for those that wait, and work.

The size of any frame is checked before (`still.check_pixels`), and the time of all of them is
limited where files are read in processes of their own (`scanner.batch`).
"""

from __future__ import annotations

from pathlib import Path

from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from unmask.core.errors import LimitExceeded
from unmask.core.media import VideoInfo
from unmask.core.settings import Limits

ANIMATIONS = ("gif", "apng", "webp_anim")
"""Formats in which a frame of any size takes a few bytes. Of other videos each frame costs bytes in
proportion to its blocks, at least where something is to be seen."""
_BITS_PER_PIXEL = 32
"""Where the pixel format says nothing."""


def check_animation(path: str | Path, width_px: int, height_px: int, limits: Limits) -> None:
    """Refuse an animation of frames larger than anyone makes.

    Raises:
        LimitExceeded: they are.
    """
    if width_px * height_px > limits.max_animation_frame_pixels:
        raise LimitExceeded(
            f"{str(path)!r} is an animation of {width_px}x{height_px} pixels; at most "
            f"{limits.max_animation_frame_pixels} a frame are allowed",
            hint="make a smaller copy of it, and keep the original",
        )


def frames_ahead(info: VideoInfo, most: int, limits: Limits) -> int:
    """Return how many decoded frames may wait for their turn, from 1 to `most`."""
    try:
        bits = VideoFormat(info.pixel_format).padded_bits_per_pixel
    except ValueError:
        bits = _BITS_PER_PIXEL
    frame_bytes = max(1, info.width_px * info.height_px * bits // 8)
    return max(1, min(most, limits.max_bytes_in_flight // frame_bytes))


class Unfolding:
    """How much an animation has unfolded of what little is in its file.

    Args:
        info: the file.
        limits: with the budget.
    """

    def __init__(self, info: VideoInfo, limits: Limits) -> None:
        self._left: int | None = None
        self._size_bytes = info.size_bytes
        if info.container in ANIMATIONS:
            by_size = info.size_bytes * limits.max_animation_pixels_per_byte
            self._left = max(limits.free_animation_pixels, by_size)

    def exceeded_by(self, frame: VideoFrame) -> str | None:
        """Count a frame; return why no more should be decoded, None while they may."""
        if self._left is None:
            return None
        self._left -= frame.width * frame.height
        if self._left > 0:
            return None
        return f"its {self._size_bytes} bytes unfold to more pixels than a picture of anything does"
