"""The sound of a film, copied unchanged beside the pictures that are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from unmask.video.source import picture_stream


class Sound:
    """Packets of a film's sound, in step with pictures whose time begins with the first one."""

    def __init__(self, source: InputContainer, stream: AudioStream, copy: AudioStream) -> None:
        self._packets = _timed(source, stream)
        self._copy = copy
        self._waiting: av.Packet[AudioStream] | None = None

    @classmethod
    def of(cls, source: InputContainer, target: OutputContainer) -> Self | None:
        """Return the sound of a film, with a stream for it in another; None if there is none.

        Raises:
            ValueError: the other container cannot hold sound of this codec.
        """
        if not source.streams.audio:
            return None
        stream = source.streams.audio[0]
        return cls(source, stream, target.add_stream_from_template(stream))

    def copy_until(self, seconds: float, target: OutputContainer) -> None:
        """Copy what sounds up to a time, seconds from the first picture."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            assert packet.pts is not None  # noqa: S101 - `_timed` yields no other, for mypy
            if packet.pts * packet.time_base > seconds:
                return
            packet.stream = self._copy
            target.mux(packet)
            self._waiting = None


def _timed(source: InputContainer, stream: AudioStream) -> Iterator[av.Packet[AudioStream]]:
    """Yield packets with times from the first picture on."""
    pictures = picture_stream(source)
    start = Fraction(0)
    if pictures is not None and pictures.start_time is not None and pictures.time_base is not None:
        start = pictures.start_time * pictures.time_base
    for packet in source.demux(stream):
        if packet.pts is None or packet.dts is None:
            continue
        shift = round(start / packet.time_base)
        packet.pts -= shift
        packet.dts -= shift
        if packet.pts >= 0:
            yield packet
