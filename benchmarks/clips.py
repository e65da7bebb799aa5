"""Clips for the benchmarks, made in a process of its own.

The encoder needs much memory, and on Linux a child's peak memory starts from its parent's; so the
process that measures never encodes.

    python -m benchmarks.clips make SOURCE OUT WIDTH HEIGHT SECONDS NOISE
    python -m benchmarks.clips repeat SOURCE OUT TIMES
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph

NOISE_SEED = 1


def frames_of(source: Path, count: int) -> Iterator[av.VideoFrame]:
    """Yield `count` frames of a video, from its start again whenever it ends."""
    given = 0
    while given < count:
        before = given
        with av.open(str(source)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in itertools.islice(container.decode(video=0), count - given):
                given += 1
                yield frame
        if given == before:
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


def make(source: Path, out: Path, *, width: int, height: int, seconds: float, noise: int) -> None:
    """Encode a clip of a set size and length: libx264, crf 23, default preset and GOP."""
    rate = rate_of(source)
    graph: Graph | None = None
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, frame in enumerate(frames_of(source, round(seconds * rate))):
            graph = graph or fitting(frame, width, height, noise)
            frame.pts, frame.time_base = index, Fraction(1, 1000)
            graph.push(frame)
            fitted = graph.pull()
            fitted.pts, fitted.time_base = index, 1 / rate
            fitted.pict_type = 0
            container.mux(stream.encode(fitted))
        container.mux(stream.encode())


def repeat(source: Path, out: Path, times: int) -> None:
    """Write a clip several times in a row without encoding it again."""
    with av.open(str(out), "w") as container:
        copy = None
        for turn in range(times):
            with av.open(str(source)) as given:
                stream = given.streams.video[0]
                copy = copy or container.add_stream_from_template(stream)
                for packet in given.demux(stream):
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
        width, height, seconds, noise = numbers
        make(
            Path(source),
            Path(out),
            width=int(width),
            height=int(height),
            seconds=float(seconds),
            noise=int(noise),
        )
    else:
        repeat(Path(source), Path(out), int(numbers[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
