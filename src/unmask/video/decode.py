"""Decoding every frame of a video in order, with its number, its time and what went wrong.

Both passes count frames here, so that a frame's index means the same in both. Damage does not end
the reading: what can be decoded is decoded, and `Decoding` keeps account of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unmask.settings import Limits
from unmask.values import VideoInfo
from unmask.video.source import (
    frame_step,
    open_container,
    picture_stream,
    picture_streams,
    prepare_decoder,
    reason_of,
)

SHAPE_TOLERANCE = 0.02
"""Part by which width over height may differ before a face looks squashed."""


@dataclass(frozen=True)
class FrameStamp:
    """What a frame is found by in a second pass."""

    index: int
    """Position among all decoded frames, from 0."""
    pts: int
    """Time stamp in units of the stream."""
    pts_seconds: float
    """Time stamp, seconds from the first frame."""
    own: bool = True
    """Whether the stamp is the file's own; if False it was missing or ran backwards, and `pts`
    was continued at the usual frame rate."""


@dataclass
class Clock:
    """Turns the stamps of decoded frames into strictly ascending ones."""

    step: int
    """Usual distance of two frames, units of the stream."""
    seconds_per_unit: float
    """Time base."""
    first: int | None = None
    """Stamp of the first frame."""
    last: int = 0
    """Stamp of the latest frame."""
    count: int = 0
    """Frames seen."""

    def stamp(self, pts: int | None) -> FrameStamp:
        """Number the next frame and give it a time later than the one before."""
        own = pts is not None and (self.first is None or pts > self.last)
        if pts is None or not own:
            pts = 0 if self.first is None else self.last + self.step
        if self.first is None:
            self.first = pts
        self.last = pts
        self.count += 1
        return FrameStamp(self.count - 1, pts, self.seconds, own)

    @property
    def seconds(self) -> float:
        """Time of the latest frame, seconds from the first."""
        return (self.last - (self.first or 0)) * self.seconds_per_unit


@dataclass
class Decoding:
    """One reading of a video from its start; iterate once, then read the account."""

    info: VideoInfo
    """The video."""
    limits: Limits
    """Where to stop."""
    damaged_packets: int = 0
    """Packets that could not be decoded."""
    damaged_frames: int = 0
    """Frames that were decoded from damaged data and may show it."""
    squashed_frames: int = 0
    """Frames of another shape than the header's, which are squashed into it."""
    stopped: str | None = None
    """Why reading ended before the end of the file."""
    seconds: float = 0.0
    """Time from the first frame to the end of the last."""
    behind_limit: bool = False
    """Whether something lies behind `limits.max_seconds`."""
    other_streams: int = 0
    """Video streams beside the one that is read, cover pictures not counted."""
    _clock: Clock = field(default_factory=lambda: Clock(1, 1.0))

    def __iter__(self) -> Iterator[tuple[FrameStamp, VideoFrame]]:
        """Yield every decoded frame in order of presentation."""
        with open_container(self.info.path, limits=self.limits) as container:
            stream = picture_stream(container)
            if stream is None or stream.time_base is None:
                return
            self.other_streams = len(picture_streams(container)) - 1
            prepare_decoder(stream, limits=self.limits, threads=True)
            self._clock = Clock(frame_step(stream), float(stream.time_base))
            shape = stream.codec_context.width / stream.codec_context.height
            for packet in self._packets(container.demux(stream)):
                for frame in self._decoded(stream, packet):
                    stamp = self._clock.stamp(frame.pts)
                    if stamp.pts_seconds > self.limits.max_seconds:
                        self.behind_limit = True
                        return
                    self.damaged_frames += frame.is_corrupt
                    change = frame.width / frame.height / shape
                    self.squashed_frames += abs(change - 1) > SHAPE_TOLERANCE
                    length = frame.duration or self._clock.step
                    self.seconds = stamp.pts_seconds + length * self._clock.seconds_per_unit
                    yield stamp, frame

    def _packets(
        self, packets: Iterator[Packet[VideoStream]]
    ) -> Iterator[Packet[VideoStream] | None]:
        """Yield packets; None flushes the decoder when reading breaks off."""
        try:
            yield from packets
        except av.FFmpegError as error:
            self.stopped = reason_of(error)
            yield None

    def _decoded(self, stream: VideoStream, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return stream.codec_context.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.damaged_packets += 1
            return []
