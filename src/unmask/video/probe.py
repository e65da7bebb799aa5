"""What a file says of itself, and the refusal of what is no media or too large.

The first step of a scan. Sizes are checked on headers, before a picture is decoded; only then is
one frame decoded, because libavformat hands the display matrix over with the first frame.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from unmask.core.errors import InputNotFound, LimitExceeded, NotMedia
from unmask.core.media import StreamInfo, VideoInfo
from unmask.core.settings import Limits
from unmask.system.files import file_sha256
from unmask.video import still
from unmask.video.budget import check_animation
from unmask.video.codecs import VIDEO_DECODERS
from unmask.video.ffmpeg_messages import Listener
from unmask.video.shape import Shape, turn_of_frame
from unmask.video.source import (
    HINT_FORMAT,
    HINT_STREAMS,
    HINT_TILES,
    has_own_aspect,
    open_container,
    picture_stream,
    prepare_decoder,
    tagged_seconds,
    tiles,
)

MAX_TEXT = 1000
"""Characters kept of a metadata value."""
MAX_ENTRIES = 200
"""Metadata entries kept."""
MAX_PACKETS = 3000
"""Packets looked at for a first frame, two minutes of one that begins without a key frame."""

Transfer = Literal["sdr", "pq", "hlg"]
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""AVColorTransferCharacteristic of the two HDR curves."""


def probe(path: str | Path, *, limits: Limits) -> VideoInfo:
    """Read what a local file says of itself.

    Args:
        path: the file; a URL is refused.
        limits: what is refused.

    Raises:
        InputNotFound: no such file, not a regular file, or it may not be read.
        NotMedia: empty, no media, without a picture stream, or a picture in tiles.
        LimitExceeded: too many bytes, pixels or streams.
    """
    size = _file_size(path, limits)
    digest = _sha256(path)
    picture = still.open_still(path, limits=limits)
    if picture is not None:
        with picture:
            if still.is_animation(picture):
                check_animation(path, *picture.size, limits)
            else:
                return _still_info(path, size, digest, picture, limits)
    with open_container(path, limits=limits) as container:
        return _video_info(path, size, digest, container, limits)


_DOWNLOAD = (
    "download it first, with a browser, `curl -O` or yt-dlp, and name the file; nothing is fetched"
)


def _file_size(path: str | Path, limits: Limits) -> int:
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        remote = re.search(r"(^|/)[a-z]+:/", str(path)) is not None
        raise InputNotFound(
            f"cannot open {str(path)!r}: {getattr(error, 'strerror', None) or error}",
            hint=_DOWNLOAD if remote else "check the path",
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputNotFound(f"{str(path)!r} is not a regular file", hint="give one media file")
    if status.st_size == 0:
        raise NotMedia(f"{str(path)!r} is empty", hint="get a complete copy")
    if status.st_size > limits.max_bytes:
        raise LimitExceeded(
            f"{str(path)!r} has {status.st_size} bytes; at most {limits.max_bytes} allowed",
            hint="cut the video into parts",
        )
    return status.st_size


def _sha256(path: str | Path) -> str:
    try:
        return file_sha256(Path(path))
    except OSError as error:
        raise InputNotFound(
            f"cannot read {str(path)!r}: {error.strerror}", hint="check the file's permissions"
        ) from error


def _still_info(
    path: str | Path, size: int, digest: str, picture: Image.Image, limits: Limits
) -> VideoInfo:
    name = (picture.format or "image").lower().replace("mpo", "jpeg")
    width, height = still.size_as_shown(picture)
    return VideoInfo(
        path=str(path),
        sha256=digest,
        size_bytes=size,
        kind="image",
        container=name,
        codec=name,
        pixel_format=still.PIXEL_FORMATS.get(picture.mode, picture.mode.lower()),
        bit_depth=16 if picture.mode.startswith("I") else 8,
        width_px=width,
        height_px=height,
        rotation_degrees=still.read_rotation(picture),
        pixel_aspect=1.0,
        transfer="sdr",
        fps_from_header=None,
        duration_seconds=None,
        frames_from_header=still.count_pictures(path, picture, limits),
        streams=(StreamInfo(index=0, kind="video", codec=name),),
        metadata=_shorten(still.read_metadata(picture)),
        mirrored=still.is_mirrored(picture),
    )


def _video_info(
    path: str | Path, size: int, digest: str, container: InputContainer, limits: Limits
) -> VideoInfo:
    stream = _checked_stream(path, container, limits)
    context = stream.codec_context
    coded = (context.width, context.height)
    shape = _shape(container, stream, limits)
    shown = shape.size_as_shown(*coded)
    still.check_pixels(path, *shown, limits)
    rate, pixel_format = stream.average_rate, context.pix_fmt or "unknown"
    depth = VideoFormat(pixel_format).components[0].bits if context.pix_fmt else 8
    metadata = _shorten(
        {**container.metadata, **{f"video.{k}": v for k, v in stream.metadata.items()}}
    )
    streams = tuple(
        StreamInfo(index=s.index, kind=s.type, codec=s.codec_context.name)
        if s.codec_context is not None
        else StreamInfo(index=s.index, kind=s.type, codec=None)
        for s in container.streams
    )
    duration, frames = _duration(container, stream), stream.frames or None
    return VideoInfo(
        path=str(path),
        sha256=digest,
        size_bytes=size,
        kind="video",
        container=container.format.name,
        codec=context.name,
        pixel_format=pixel_format,
        bit_depth=depth,
        width_px=shown[0],
        height_px=shown[1],
        rotation_degrees=shape.rotation_degrees,
        pixel_aspect=shape.pixel_aspect,
        transfer=TRANSFERS.get(context.color_trc, "sdr"),
        fps_from_header=float(rate) if rate else None,
        duration_seconds=duration,
        frames_from_header=frames,
        streams=streams,
        metadata=metadata,
        mirrored=shape.mirrored,
    )


def _checked_stream(path: str | Path, container: InputContainer, limits: Limits) -> VideoStream:
    if parts := tiles(container):
        raise NotMedia(
            f"{str(path)!r} is a picture in {parts} tiles, which cannot be put together",
            hint=HINT_TILES,
        )
    count = len(container.streams)
    if count > limits.max_streams:
        raise LimitExceeded(
            f"{str(path)!r} has {count} streams; at most {limits.max_streams} allowed",
            hint=HINT_STREAMS,
        )
    stream = picture_stream(container)
    if stream is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise NotMedia(
            f"{str(path)!r} has no picture stream that can be decoded (streams: {kinds})",
            hint=HINT_FORMAT,
        )
    context = stream.codec_context
    if context.codec.name not in VIDEO_DECODERS:
        raise NotMedia(
            f"{str(path)!r} holds pictures in {context.codec.name}, which is not read: its decoder "
            "is seldom used and seldom mended",
            hint="convert a copy to H.264 on a machine where nothing else is at stake",
        )
    if context.width <= 0 or context.height <= 0:
        if context.name in _HEADERS_IN_STREAM and not context.extradata:
            raise NotMedia(
                f"{str(path)!r} holds no headers of its {context.name} pictures, without which "
                "none can be shown: it was cut from a longer recording",
                hint="cut it again from an earlier start, or encode the part again",
            )
        # libavcodec sets the size to zero when it is above `max_pixels`.
        raise LimitExceeded(
            f"{str(path)!r} claims no picture size, or more than {limits.max_pixels} pixels",
            hint=still.HINT_SMALLER,
        )
    return stream


_HEADERS_IN_STREAM = ("h264", "hevc", "mpeg1video", "mpeg2video", "vc1")
"""Codecs whose size is in headers of their own, which the demuxer keeps wherever it finds them."""


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the first duration above zero of those that the file tells."""
    durations = (
        float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None,
        tagged_seconds(stream.metadata.get("DURATION", "")),
        container.duration / av.time_base if container.duration else None,
    )
    return next((seconds for seconds in durations if seconds is not None and seconds > 0), None)


def _shape(container: InputContainer, stream: VideoStream, limits: Limits) -> Shape:
    """Return how the first frame is shown, by the header and by the frame itself."""
    aspect = stream.sample_aspect_ratio
    with Listener() as listener, listener.during():
        prepare_decoder(stream, limits=limits, threads=False)
        frame = _first_frame(container, stream)
        if not has_own_aspect(container.format.name):
            # the stream's may be that of a later part, which was read to find out what the file is
            aspect = stream.codec_context.sample_aspect_ratio
    turn = None if frame is None else turn_of_frame(frame)
    return Shape(float(aspect or 1) or 1.0, *(turn or (0, False)))


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Decode the first picture that can be, hidden ones too: with it comes the display matrix.

    PyAV hands a stream's side data over with a decoded frame only. An edit list can hide thousands
    of packets; without its mark a hidden packet gives its frame like any other.
    """
    for packet in _until_broken(container.demux(stream)):
        try:
            frames = stream.codec_context.decode(_unhidden(packet) if packet.size else None)
        except av.FFmpegError:
            frames = []
        if frames:
            return frames[0]
    return None


def _unhidden(packet: Packet[VideoStream]) -> Packet[Any]:
    """Return the packet without the mark that an edit list hides its frame."""
    if not packet.is_discard:
        return packet
    plain = Packet(bytes(packet))
    plain.pts, plain.dts, plain.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
    return plain


def _until_broken(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Yield packets as long as there are any that can be read."""
    with suppress(av.FFmpegError):
        for number, packet in enumerate(packets):
            if number >= MAX_PACKETS:
                return
            yield packet


def _shorten(metadata: Mapping[str, str]) -> dict[str, str]:
    entries = list(metadata.items())[:MAX_ENTRIES]
    return {key[:MAX_TEXT]: value[:MAX_TEXT] for key, value in entries}
