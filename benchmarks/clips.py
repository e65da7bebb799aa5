"""Clips for the benchmarks, made in a process of its own.

The encoder needs much memory, and on Linux a child's peak memory starts from its parent's; so the
process that measures never encodes.

    python -m benchmarks.clips make SOURCE OUT WIDTH HEIGHT SECONDS NOISE CODEC FACES
    python -m benchmarks.clips repeat SOURCE OUT TIMES
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph

NOISE_SEED = 1
ENCODERS = {"h264": "libx264", "hevc": "libx265"}
OPTIONS = {"h264": {"crf": "23"}, "hevc": {"crf": "28", "x265-params": "log-level=none"}}


def frames_of(source: Path, count: int) -> Iterator[av.VideoFrame]:
    """Yield `count` frames of a video, from its start again whenever it ends."""
    value = 0
    while value < count:
        before = value
        with av.open(str(source)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in itertools.islice(container.decode(video=0), count - value):
                value += 1
                yield frame
        if value == before:
            raise ValueError(f"no frame in {str(source)!r} could be decoded")


def rate_of(source: Path) -> Fraction:
    """Return the frame rate of a video; 30 where it states none."""
    with av.open(str(source)) as container:
        return container.streams.video[0].average_rate or Fraction(30)


def fitting(frame: av.VideoFrame, width: int, height: int, noise: int) -> Graph:
    """Return filters that fit frames into a size with black bars, and add moving noise."""
    size = f"{width}:{height}"
    steps = [
        ("scale", f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2"),
        ("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"),
        ("setsar", "1"),
    ]
    if noise:
        steps.append(("noise", f"alls={noise}:allf=t:all_seed={NOISE_SEED}"))
    steps.append(("format", "yuv420p"))
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    nodes = [source, *(graph.add(*step) for step in steps), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    return graph


def tiled(frame: av.VideoFrame) -> av.VideoFrame:
    """Return four of a picture side by side, two of them mirrored, as yuv420p."""
    picture = frame.to_ndarray(format="rgb24")
    row = np.concatenate([picture, picture[:, ::-1]], axis=1)
    both = np.concatenate([row, row[:, ::-1]], axis=0)
    return av.VideoFrame.from_ndarray(both, "rgb24").reformat(format="yuv420p")


def make(
    source: Path,
    out: Path,
    *,
    width: int,
    height: int,
    seconds: float,
    noise: int,
    codec: str = "h264",
    faces: int = 1,
) -> None:
    """Encode a clip of a set size and length with the encoder's default preset and GOP.

    Args:
        source: a clip of one face.
        out: the file.
        width: in pixels.
        height: in pixels.
        seconds: of the source, looped.
        noise: strength of added noise.
        codec: `h264` or `hevc`.
        faces: 1, or 4: the source four times in a frame.
    """
    if faces not in (1, 4):
        raise ValueError(f"faces must be 1 or 4, got {faces}")
    parts = 1 if faces == 1 else 2
    rate = rate_of(source)
    graph: Graph | None = None
    with av.open(str(out), "w") as container:
        stream: Any = container.add_stream(ENCODERS[codec], rate=rate, options=OPTIONS[codec])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, frame in enumerate(frames_of(source, round(seconds * rate))):
            graph = graph or fitting(frame, width // parts, height // parts, noise)
            frame.pts, frame.time_base = index, Fraction(1, 1000)
            graph.push(frame)
            pulled: Any = graph.pull()
            fitted = pulled if faces == 1 else tiled(pulled)
            fitted.pts, fitted.time_base = index, 1 / rate
            fitted.pict_type = 0
            container.mux(stream.encode(fitted))
        container.mux(stream.encode())


def repeat(source: Path, out: Path, times: int) -> None:
    """Write a clip several times in a row without encoding it again."""
    with av.open(str(out), "w") as container:
        copy = None
        for turn in range(times):
            with av.open(str(source)) as value:
                stream: Any = value.streams.video[0]
                copy = copy or container.add_stream_from_template(stream)
                for packet in value.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += turn * stream.duration
                    packet.dts += turn * stream.duration
                    packet.stream = copy
                    container.mux(packet)


def main(words: list[str]) -> None:
    """Run one of the two commands."""
    command, source, out, *numbers = words
    if command == "make":
        width, height, seconds, noise, *kind = numbers
        codec, faces = kind or ("h264", "1")
        make(
            Path(source),
            Path(out),
            width=int(width),
            height=int(height),
            seconds=float(seconds),
            noise=int(noise),
            codec=codec,
            faces=int(faces),
        )
    else:
        repeat(Path(source), Path(out), int(numbers[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
