"""Opening a local media file with libavformat, fenced in.

Media files are hostile input: only demuxers of self-contained files and only the `file` protocol
are allowed, so that no playlist inside a file reaches another file or the network; and the codec
is told the largest picture, so that a header that lies costs no memory. Used by `probe` and by
both decoding passes, so that all three see the same stream.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from unmask.core.errors import LimitExceeded, NotMedia
from unmask.core.settings import Limits
from unmask.video.codecs import AUDIO_DECODERS, VIDEO_DECODERS
from unmask.video.ebml import check_tags
from unmask.video.still import is_heif

SELF_CONTAINED = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg",
        "gif,apng,webp_anim,mxf,nut,rm,dv,h264,hevc,vvc,av1,obu,ivf,m4v,mjpeg,vc1,yuv4mpegpipe",
        "h261,h263,cavsvideo,wtv,gxf,swf,nsv,dirac,mp3,wav,aac,flac,aiff,w64,amr,ac3,eac3",
    )
)
"""Demuxers that read nothing but the file that they were given. Absent on purpose: `hls`, `dash`,
`concat`, `image2`, `sdp`, `imf` and their like. Audio is there to be told apart from garbage."""

_WITHOUT_ASPECT = ("mpegts", "mpeg", "flv", "live_flv", "mpegvideo", "h264", "hevc", "m4v", "ogg")
PROGRESSIVE = (0, 1)
"""AVFieldOrder of streams whose packets are whole frames: unknown and progressive."""
THREADS_FROM_PIXELS = 640 * 480
"""Smaller pictures are decoded in one thread, which is quick enough, and tells exactly which packet
a message is about."""

HINT_FORMAT = "give a video or picture file, such as MP4, MOV, MKV, WebM, AVI, GIF, JPEG or PNG"
HINT_STREAMS = "copy the picture stream into a file of its own"
HINT_TILES = (
    "pip install 'unmask[heic]' (or save it as JPEG or PNG); where that is installed, the picture "
    "is damaged"
)
HINT_CUT_OFF = "it begins as an MP4 whose index is missing or damaged: get a complete copy"


def _starts_as_mp4(path: str | Path) -> bool:
    """Tell whether the first box is that of an MP4 or QuickTime file."""
    with Path(path).open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _starts_as_heif(path: str | Path) -> bool:
    with Path(path).open("rb") as file:
        return is_heif(file.read(12))


def read_reason(error: av.FFmpegError) -> str:
    """Return what FFmpeg says of an error, on one line and without the path."""
    return " ".join((error.strerror or type(error).__name__).split())


@contextmanager
def open_container(
    path: str | Path, *, limits: Limits, more_options: Mapping[str, str] | None = None
) -> Iterator[InputContainer]:
    """Open a local file for reading, and close it.

    Args:
        path: the file.
        limits: with the largest picture.
        more_options: of the demuxer.

    Raises:
        NotMedia: libavformat knows no self-contained format that this file has.
        LimitExceeded: it has too many streams or tags.
    """
    check_tags(path, limits)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": SELF_CONTAINED,
        "codec_whitelist": ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS)),
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(limits.max_streams + 1),  # one more, so that `probe` can count them
        **(more_options or {}),
    }
    name = f"file:{Path(path).resolve()}"
    try:
        container = av.open(name, "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:  # so demuxers say that it has too many
            if _starts_as_heif(path):
                raise NotMedia(
                    f"{str(path)!r} is a picture in more than {limits.max_streams} tiles, which "
                    "cannot be put together",
                    hint=HINT_TILES,
                ) from error
            raise LimitExceeded(
                f"{str(path)!r} has more than {limits.max_streams} streams, or asks for more "
                "memory than there is",
                hint=HINT_STREAMS,
            ) from error
        why = read_reason(error) if isinstance(error, av.FFmpegError) else type(error).__name__
        hint = HINT_CUT_OFF if _starts_as_mp4(path) else HINT_FORMAT
        raise NotMedia(f"{str(path)!r} is not a readable video: {why}", hint=hint) from error
    try:
        yield container
    finally:
        container.close()


def picture_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams but cover pictures: default ones first, parts of others last."""
    streams = [s for s in container.streams.video if not _marks(s) & Disposition.attached_pic]
    last = Disposition.dependent
    return sorted(streams, key=lambda s: (_marks(s) & last, not _marks(s) & Disposition.default))


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream to look at: the first of `picture_streams` that can be decoded."""
    return next((s for s in picture_streams(container) if s.codec_context is not None), None)


def tiles(container: InputContainer) -> int:
    """Count the tiles of a picture that is a grid of them, a stream each; 0 for anything else.

    PyAV does not tell where each tile belongs. A thumbnail beside them is no reason to go on.
    """
    marks = [_marks(stream) for stream in container.streams.video]
    if "mp4" not in container.format.name or any(m & Disposition.default for m in marks):
        return 0
    return sum(bool(m & Disposition.dependent) for m in marks)


def _marks(stream: VideoStream) -> Disposition:
    return Disposition(stream.disposition)


def has_sample_table(container: InputContainer) -> bool:
    """Tell whether the container lists its packets."""
    return container.format.name == "avi" or "mp4" in container.format.name.split(",")


def has_own_aspect(container: str) -> bool:
    """Tell whether a format can state a pixel aspect, which goes before the codec's."""
    return container not in _WITHOUT_ASPECT


def prepare_decoder(stream: VideoStream, *, limits: Limits, threads: bool) -> None:
    """Set threads and the largest picture before the first packet is decoded."""
    context = stream.codec_context
    # checksums of pictures, where a stream has them, are compared
    context.options = {"max_pixels": str(limits.max_pixels), "err_detect": "crccheck"}
    context.copy_opaque = True
    context.thread_type = av.codec.context.ThreadType.AUTO
    wide = context.width * context.height >= THREADS_FROM_PIXELS
    context.thread_count = 0 if threads and wide else 1


def close_decoder(stream: VideoStream) -> None:
    """Wait for the decoder's threads without Python's lock, which they may be waiting for."""
    stream.codec_context.flush_buffers()


def frame_step(stream: VideoStream) -> int:
    """Return the usual distance of two frames in units of the stream's time base, at least 1."""
    rate = stream.average_rate or stream.guessed_rate
    base = stream.time_base
    if not rate or not base:
        return 1
    return max(1, round(1 / (rate * base)))


def tagged_seconds(text: str) -> float | None:
    """Return what a duration in words, such as 00:01:02.5, says; None where it says nothing."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return None
    total = hours * 3600 + minutes * 60 + seconds
    return total if math.isfinite(total) else None
