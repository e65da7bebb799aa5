"""Short clips for tests: moving content, and each frame's number readable from its pixels.

The number is drawn as 8 big black or white blocks along the top (highest bit left), which survive
lossy coding and reduction, so that a test can tell which frame it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

BITS = 8


def picture(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw frame `number` as `(h, w, 3)` RGB: a moving gradient under the blocks."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    red = (x * 255 // max(1, width - 1) + 4 * number) % 256
    green = y * 255 // max(1, height - 1)
    image = np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        image[: height // 4, left:right] = 255 if number >> (BITS - 1 - bit) & 1 else 0
    return image


def number_in(pixels: NDArray[np.uint8]) -> int:
    """Read the number back from `(h, w)` luma or `(h, w, 3)` RGB as shown."""
    grey = pixels.mean(axis=-1) if pixels.ndim == 3 else pixels
    height, width = grey.shape
    number = 0
    for bit in range(BITS):
        middle = (2 * bit + 1) * width // (2 * BITS)
        number = number << 1 | int(grey[height // 8, middle] > 128)
    return number


def write_clip(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (160, 96),
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    stamps: Sequence[int] | None = None,
    rotation_ccw: int = 0,
    matrix: Iterable[int] | None = None,
    pixel_aspect: Fraction | None = None,
    gop: int = 12,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    audio_seconds: float = 0.0,
    draw: Callable[[int, tuple[int, int]], NDArray[np.uint8]] = picture,
) -> Path:
    """Write a clip; `stamps` are pts in ms (default: evenly at `fps`)."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        context.gop_size = gop
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if stamps is not None:
            context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if rotation_ccw:
            stream.set_display_rotation(rotation_ccw)
        if matrix is not None:
            stream.set_display_matrix(list(matrix))
        sound = container.add_stream("aac", rate=48000) if audio_seconds else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, size), "rgb24")
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = Fraction(1, fps) if stamps is None else Fraction(1, 1000)
            container.mux(stream.encode(frame.reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
        if isinstance(sound, AudioStream):
            _write_silence(container, sound, audio_seconds)
    return path


def _write_silence(container: OutputContainer, sound: AudioStream, seconds: float) -> None:
    for start in range(0, int(seconds * 48000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, start
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def remux(
    source: Path,
    target: Path,
    *,
    drop: Iterable[int] = (),
    shift_seconds: float = 0.0,
    rotation_ccw: int = 0,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Copy the pictures' packets without encoding them again, but for some, by their number."""
    gone = set(drop)
    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", options=container_options or {}) as new,
    ):
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        if rotation_ccw:
            copy.set_display_rotation(rotation_ccw)
        for number, packet in enumerate(old.demux(stream)):
            if packet.pts is None or packet.dts is None or number in gone:
                continue
            shift = round(shift_seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = copy
            new.mux(packet)
    return target


def spoil_packet(path: Path, number: int, *, key: bool = False) -> Path:
    """Overwrite the middle of a packet with zeros."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        places = [p for p in packets if p.is_keyframe] if key else packets
        packet = places[number]
        assert packet.pos is not None
        start, size = packet.pos + packet.size // 3, packet.size // 2
    data = bytearray(path.read_bytes())
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path
