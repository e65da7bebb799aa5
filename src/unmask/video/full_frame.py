"""A decoded frame at full size, of which a part is kept as the decoder gave it.

Keeping the planes of a part is a copy and no conversion; what is chosen in the end becomes RGB, the
same to the pixel as if the whole frame had been converted. Frames for which that does not hold
(interlaced, stretched, HDR, rare pixel formats) give no part and are decoded again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from unmask.core.face import Box
from unmask.core.media import PicturePart, VideoInfo
from unmask.video.picture import coded_size, colours_of, lines_of, rgb_of_part, turned
from unmask.video.shape import Shape, size_within

FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
"""Pixel formats of which parts are kept, of one byte a sample. In those of more bits the place of
the chroma samples counts, which a frame of our own does not have."""
_BLOCK_PX = 16
"""Parts begin and end at whole blocks: at whole chroma samples, and where the converter's vector
code begins anew."""
_APRON_PX = 16
"""Kept around a part: filters of the conversion reach a few pixels beyond it."""


@dataclass(frozen=True, eq=False)
class FramePart:
    """A part of a decoded frame."""

    planes: tuple[NDArray[np.uint8], ...]
    """Copies of its lines, plane by plane."""
    size: tuple[int, int]
    """Width and height as coded."""
    place: tuple[int, int, int, int]
    """What of it is exact, as coded: columns and rows, x0, y0, x1, y1, of its own."""
    shown_at: tuple[int, int]
    """Column and row of that in the whole picture as shown."""
    shape: Shape
    """How it is shown."""
    whole_size: tuple[int, int]
    """Width and height of the whole picture as shown."""
    format_name: str
    """Pixel format."""
    colours: tuple[int | None, int]
    """Matrix and range of the frame."""

    @cached_property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(plane.nbytes for plane in self.planes)

    def covers(self, square: Box) -> bool:
        """Tell whether all of a square is in the part, but what lies beyond the picture."""
        left, top = self.shown_at
        width, height = self._shown_size
        x0, y0, x1, y1 = square
        return (
            left <= max(x0, 0)
            and top <= max(y0, 0)
            and min(x1, self.whole_size[0]) <= left + width
            and min(y1, self.whole_size[1]) <= top + height
        )

    @property
    def _shown_size(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self.place
        return coded_size((x1 - x0, y1 - y0), self.shape)

    def picture(self, whole: Callable[[], NDArray[np.uint8]]) -> PicturePart:
        """Return it in RGB, as shown.

        Args:
            whole: returns the whole picture, should more of it be needed.
        """
        width, height = self.whole_size
        return PicturePart(self.pixels(), *self.shown_at, (height, width, 3), whole)

    def pixels(self) -> NDArray[np.uint8]:
        """Return its pixels, `(H, W, 3)` RGB, as shown."""
        frame = VideoFrame(*self.size, self.format_name)
        for kept, plane in zip(self.planes, frame.planes, strict=True):
            padded = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
            padded[: kept.shape[0], : kept.shape[1]] = kept
            plane.update(padded.tobytes())
        x0, y0, x1, y1 = self.place
        return turned(rgb_of_part(frame, self.colours)[y0:y1, x0:x1], self.shape)


class FullFrame:
    """A decoded frame, held until it is known what of it is kept.

    Args:
        frame: as decoded.
        shape: how it is shown.
        info: the file.
    """

    __slots__ = ("_frame", "_info", "_shape")

    def __init__(self, frame: VideoFrame, shape: Shape, info: VideoInfo) -> None:
        self._frame, self._shape, self._info = frame, shape, info

    @property
    def size_bytes(self) -> int:
        """Memory that is held with it."""
        return sum(plane.buffer_size for plane in self._frame.planes)

    @property
    def can_be_parted(self) -> bool:
        """Whether a part of it becomes the same RGB as the whole does."""
        frame, canvas = self._frame, (self._info.width_px, self._info.height_px)
        inner = size_within(self._shape.size_as_shown(frame.width, frame.height), canvas)
        return (
            self._info.transfer == "sdr"
            and frame.format.name in FORMATS
            and not frame.interlaced_frame
            and inner == canvas
            and coded_size(canvas, self._shape) == (frame.width, frame.height)
        )

    def part(self, square: Box) -> FramePart | None:
        """Copy what of a square lies in the picture; None where only the whole frame will do.

        Args:
            square: XYXY pixels as shown.
        """
        if not self.can_be_parted:
            return None
        frame = self._frame
        inner = self._coded(square)
        if inner is None:
            return None
        outer = _grown(inner, (frame.width, frame.height))
        x0, y0, x1, y1 = inner
        own = (x0 - outer[0], y0 - outer[1], x1 - outer[0], y1 - outer[1])
        return FramePart(
            planes=tuple(_copied(frame, outer)),
            size=(outer[2] - outer[0], outer[3] - outer[1]),
            place=own,
            shown_at=self._shown_at(inner),
            shape=self._shape,
            whole_size=(self._info.width_px, self._info.height_px),
            format_name=frame.format.name,
            colours=colours_of(frame),
        )

    def reduced(self, side_px: int) -> FramePart | None:
        """Copy the whole, made smaller by a whole number; None where `part` gives none.

        Args:
            side_px: the longer side is this or larger.
        """
        if not self.can_be_parted:
            return None
        frame = self._frame
        step = max(1, max(frame.width, frame.height) // side_px)
        # even, so that chroma samples belong to whole pixels
        width, height = frame.width // step & ~1, frame.height // step & ~1
        if not width or not height:
            return None
        smaller = frame.reformat(width, height, interpolation=Interpolation.AREA, threads=1)
        return FramePart(
            planes=tuple(_copied(smaller, (0, 0, width, height))),
            size=(width, height),
            place=(0, 0, width, height),
            shown_at=(0, 0),
            shape=self._shape,
            whole_size=coded_size((width, height), self._shape),
            format_name=frame.format.name,
            colours=colours_of(frame),
        )

    def _coded(self, square: Box) -> tuple[int, int, int, int] | None:
        """Return whole pixels of the coded picture that hold a square of the shown one."""
        width, height = self._info.width_px, self._info.height_px
        x0, y0 = max(0, math.floor(square[0]) - 1), max(0, math.floor(square[1]) - 1)
        x1, y1 = min(width, math.ceil(square[2]) + 1), min(height, math.ceil(square[3]) + 1)
        if x0 >= x1 or y0 >= y1:
            return None
        if self._shape.mirrored:
            x0, x1 = width - x1, width - x0
        turn = self._shape.rotation_degrees % 360
        if turn == 90:
            return y0, width - x1, y1, width - x0
        if turn == 180:
            return width - x1, height - y1, width - x0, height - y0
        if turn == 270:
            return height - y1, x0, height - y0, x1
        return x0, y0, x1, y1

    def _shown_at(self, coded: tuple[int, int, int, int]) -> tuple[int, int]:
        """Return where a part of the coded picture begins in the shown one."""
        x0, y0, x1, y1 = coded
        width, height = self._frame.width, self._frame.height
        turn = self._shape.rotation_degrees % 360
        left, top, wide = {
            0: (x0, y0, x1 - x0),
            90: (height - y1, x0, y1 - y0),
            180: (width - x1, height - y1, x1 - x0),
            270: (y0, width - x1, y1 - y0),
        }[turn]
        return (self._info.width_px - left - wide, top) if self._shape.mirrored else (left, top)


def _grown(inner: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a part with its apron, in whole blocks, as far as the picture reaches."""
    x0, y0, x1, y1 = inner
    return (
        max(0, x0 - _APRON_PX) // _BLOCK_PX * _BLOCK_PX,
        max(0, y0 - _APRON_PX) // _BLOCK_PX * _BLOCK_PX,
        min(size[0], -(-(x1 + _APRON_PX) // _BLOCK_PX) * _BLOCK_PX),
        min(size[1], -(-(y1 + _APRON_PX) // _BLOCK_PX) * _BLOCK_PX),
    )


def _copied(frame: VideoFrame, outer: tuple[int, int, int, int]) -> list[NDArray[np.uint8]]:
    """Copy a part of every plane."""
    x0, y0, x1, y1 = outer
    copies = []
    for plane in frame.planes:
        across, down = -(-frame.width // plane.width), -(-frame.height // plane.height)
        lines = lines_of(plane, np.uint8)
        rows = slice(y0 // down, -(-y1 // down))
        columns = slice(x0 // across, -(-x1 // across))
        copies.append(lines[rows, columns].copy())
    return copies
