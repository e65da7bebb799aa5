"""From a decoded frame to the picture that a player shows, at any size.

Rotation, mirroring, pixel aspect, matrix, range, interlacing and HDR are settled here, for the
cheap luma pass and for the chosen frames alike.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from unmask.core.media import VideoInfo
from unmask.video.shape import Shape, size_within
from unmask.video.tonemap import to_sdr

Scalar = TypeVar("Scalar", np.uint8, np.uint16)
Transfer = Literal["sdr", "pq", "hlg"]

UNSPECIFIED = 2
"""AVCOL_SPC_UNSPECIFIED."""
HD_HEIGHT_PX = 720
"""Untagged pictures from this height are BT.709, smaller ones BT.601, as players do it."""
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""AVColorSpace to swscale's matrix."""


def reduced_size(info: VideoInfo, long_side_px: int) -> tuple[int, int, float]:
    """Return width and height as shown, at most `long_side_px` long, and their scale."""
    longest = max(info.width_px, info.height_px)
    if longest <= long_side_px:
        return info.width_px, info.height_px, 1.0
    scale = long_side_px / longest
    width = max(1, round(info.width_px * scale))
    return width, max(1, round(info.height_px * scale)), scale


def luma_as_shown(
    frame: VideoFrame, shape: Shape, canvas: tuple[int, int], swscale: VideoReformatter
) -> NDArray[np.uint8]:
    """Return the luma of a frame, `(h, w)`, on a canvas of the given width and height as shown."""
    inner = size_within(shape.size_as_shown(frame.width, frame.height), canvas)
    width, height = coded_size(inner, shape)
    small = swscale.reformat(
        one_field(frame),
        width=width,
        height=height,
        format="gray",
        interpolation=Interpolation.AREA,
        threads=1,  # slices cost more than they save at this size
    )
    return _on_canvas(turned(_pixels(small, np.uint8, 1)[:, :, 0], shape), canvas)


def rgb_as_shown(
    frame: VideoFrame,
    shape: Shape,
    canvas: tuple[int, int],
    swscale: VideoReformatter,
    *,
    transfer: Transfer,
) -> NDArray[np.uint8]:
    """Return a frame as SDR RGB, `(h, w, 3)`, on a canvas of the given width and height as shown.

    Args:
        frame: as decoded.
        shape: how it is turned and stretched.
        canvas: width and height; a picture of another shape stands in its middle, between bars.
        swscale: keeps its tables between frames.
        transfer: the file's transfer function.
    """
    inner = size_within(shape.size_as_shown(frame.width, frame.height), canvas)
    width, height = coded_size(inner, shape)
    smaller = width * height < frame.width * frame.height
    picture = swscale.reformat(
        one_field(frame),
        width=width,
        height=height,
        format="rgb24" if transfer == "sdr" else "rgb48le",
        src_colorspace=_matrix(frame),
        src_color_range=_range(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
    )
    if transfer == "sdr":
        pixels = _pixels(picture, np.uint8, 3)
    else:
        pixels = to_sdr(_pixels(picture, np.uint16, 3), transfer)
    return _on_canvas(turned(pixels, shape), canvas)


def rgb_of_part(part: VideoFrame, colours: tuple[int | None, int]) -> NDArray[np.uint8]:
    """Return a part of a coded SDR frame in RGB, `(h, w, 3)`, as the whole frame is converted.

    Args:
        part: at its own size.
        colours: of the frame, as `colours_of` gives them.
    """
    matrix, colour_range = colours
    picture = VideoReformatter().reformat(
        part,
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=colour_range,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC,
    )
    return _pixels(picture, np.uint8, 3)


def colours_of(frame: VideoFrame) -> tuple[int | None, int]:
    """Return the matrix and the range of a frame, for swscale."""
    return _matrix(frame), _range(frame)


def one_field(frame: VideoFrame) -> VideoFrame:
    """Return the first field of an interlaced frame at half height; others as they are.

    The two fields of a frame were taken at different times; together they show combs at moving
    edges, which a detector would take for traces of manipulation.
    """
    if not frame.interlaced_frame or frame.height < 4:
        return frame
    field = VideoFrame(frame.width, frame.height // 2, frame.format.name)
    for source, target in zip(frame.planes, field.planes, strict=True):
        lines = lines_of(source, np.uint8)[: source.height : 2]
        canvas = np.zeros((target.buffer_size // target.line_size, target.line_size), np.uint8)
        rows, columns = min(len(lines), target.height), min(source.line_size, target.line_size)
        canvas[:rows, :columns] = lines[:rows, :columns]
        target.update(canvas.tobytes())
    field.colorspace, field.color_range = frame.colorspace, frame.color_range
    return field


def coded_size(size: tuple[int, int], shape: Shape) -> tuple[int, int]:
    """Return width and height before turning of a picture that is shown in a size, or after it."""
    return size if shape.rotation_degrees % 180 == 0 else (size[1], size[0])


def turned(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Return coded pixels turned and mirrored as they are shown."""
    upright = np.rot90(pixels, -shape.rotation_degrees // 90)
    return np.ascontiguousarray(upright[:, ::-1] if shape.mirrored else upright)


def _on_canvas(pixels: NDArray[np.uint8], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture in the middle of a black canvas, or itself where it fills it."""
    height, width = pixels.shape[:2]
    if (width, height) == canvas:
        return pixels
    whole = np.zeros((canvas[1], canvas[0], *pixels.shape[2:]), np.uint8)
    top, left = (canvas[1] - height) // 2, (canvas[0] - width) // 2
    whole[top : top + height, left : left + width] = pixels
    return whole


def _pixels(frame: VideoFrame, kind: type[Scalar], channels: int) -> NDArray[Scalar]:
    """Return a copy of the pixels of a packed frame, `(h, w, channels)`."""
    lines = lines_of(frame.planes[0], kind)[: frame.height, : frame.width * channels]
    return lines.reshape(frame.height, frame.width, channels).copy()


def lines_of(plane: VideoPlane, kind: type[Scalar]) -> NDArray[Scalar]:
    """Return a view of a plane's lines with the padding behind each."""
    buffer: Any = plane  # has the buffer protocol; PyAV's stubs do not say so
    values: NDArray[Scalar] = np.frombuffer(buffer, kind)
    return values.reshape(-1, plane.line_size // np.dtype(kind).itemsize)


def _matrix(frame: VideoFrame) -> int | None:
    if frame.format.is_rgb:
        return None
    if frame.colorspace == UNSPECIFIED:
        return Colorspace.ITU709 if frame.height >= HD_HEIGHT_PX else Colorspace.ITU601
    return MATRICES.get(frame.colorspace, Colorspace.ITU709)


def _range(frame: VideoFrame) -> int:
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return int(frame.color_range)
    full = frame.format.name.startswith("yuvj") or frame.format.is_rgb
    return int(ColorRange.JPEG if full else ColorRange.MPEG)
