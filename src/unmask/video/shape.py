"""How a decoded frame is turned, mirrored and stretched before it is shown.

The header asks for one shape, but a frame can ask for another: cameras write the orientation into
each picture, and broadcasts change the pixel aspect on the way. Both passes therefore show each
frame by its own shape, on a canvas that has the size of the header's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from unmask.core.media import VideoInfo

SHAPE_TOLERANCE = 0.02
"""Part by which width over height may differ before bars are added and not the face squashed."""
_MOST_SIDE_DATA_TYPES = 64
"""More kinds of side data than FFmpeg has."""


@dataclass(frozen=True)
class Shape:
    """What is done to a decoded frame before it is shown."""

    pixel_aspect: float = 1.0
    """Width of a coded pixel over its height."""
    rotation_degrees: int = 0
    """Clockwise turn: 0, 90, 180 or 270."""
    mirrored: bool = False
    """Whether the turned picture is mirrored left to right."""

    @classmethod
    def from_header(cls, info: VideoInfo) -> Shape:
        """Return what the header asks for."""
        return cls(info.pixel_aspect, info.rotation_degrees, info.mirrored)

    def size_as_shown(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return width and height of a coded picture after stretching and turning."""
        wide = max(1, round(width_px * self.pixel_aspect))
        return (wide, height_px) if self.rotation_degrees % 180 == 0 else (height_px, wide)


def size_within(shown: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Return the size of a picture on a canvas: all of it, or as much as keeps the shape."""
    change = shown[0] * canvas[1] / (shown[1] * canvas[0])
    if abs(change - 1) <= SHAPE_TOLERANCE:
        return canvas
    scale = min(canvas[0] / shown[0], canvas[1] / shown[1])
    return max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))


def read_turn(matrix: NDArray[np.int32]) -> tuple[int, bool]:
    """Return the clockwise turn of a display matrix, and whether it mirrors left to right after it.

    Args:
        matrix: its nine numbers in rows; a pixel at x, y is shown at (x, y, 1) times the matrix.

    Returns:
        The nearest of 0, 90, 180 and 270 degrees, and the mirroring.
    """
    xx, xy, yx, yy = (float(matrix[place]) for place in (0, 1, 3, 4))
    mirrored = xx * yy - xy * yx < 0
    return round(math.degrees(math.atan2(xy, -xx if mirrored else xx)) / 90) % 4 * 90, mirrored


def turn_of_frame(frame: VideoFrame) -> tuple[int, bool] | None:
    """Return what `read_turn` says of a decoded frame's display matrix; None where it has none."""
    matrix = _display_matrix(frame)
    return read_turn(np.frombuffer(matrix, np.int32)) if matrix else None


def _display_matrix(frame: VideoFrame) -> bytes | None:
    side_data: Any  # PyAV's stubs know of motion vectors only
    try:
        side_data = frame.side_data
    except ValueError:
        # PyAV builds all entries at once and fails at the first kind that it has no name for
        side_data = _without_unnamed(frame).side_data
    matrix = side_data.get(Type.DISPLAYMATRIX)
    return bytes(matrix) if matrix else None


def _without_unnamed(frame: VideoFrame) -> VideoFrame:
    """Return the frame without the kinds of side data that PyAV has no name for."""
    named: set[Any] = {kind.value for kind in Type}
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for number in range(_MOST_SIDE_DATA_TYPES):
        if number not in named:
            following = graph.add("sidedata", f"mode=delete:type={number}")
            last.link_to(following)
            last = following
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    graph.push(frame)
    stripped: Any = graph.pull()  # a frame of the graph's only kind
    return cast("VideoFrame", stripped)
