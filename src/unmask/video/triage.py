"""A quick look through a video: frames that decode alone, and a few in between.

Reading the packets of a file without decoding them is quick, and says where the encoder's key
frames lie. Those are decoded; a shot that has too few gets some more. An hour is looked through in
seconds, for what the other frames would have shown.

The file is read from front to end, so that a missing or broken index does not matter.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unmask.core.errors import DecodeError
from unmask.core.media import Frame, VideoInfo
from unmask.core.settings import Limits
from unmask.video.damage_account import Packets, Sent
from unmask.video.decode import FrameStamp
from unmask.video.ffmpeg_messages import Listener
from unmask.video.look_plan import PacketIndex, Stamps, plan_looks, shots_lacking
from unmask.video.luma import FRAMES_AHEAD, LumaFrame, LumaPass
from unmask.video.nal import is_overwritten
from unmask.video.picture import luma_as_shown, rgb_as_shown
from unmask.video.prefetch import ahead
from unmask.video.shape import Shape, turn_of_frame
from unmask.video.source import (
    PROGRESSIVE,
    close_decoder,
    frame_step,
    open_container,
    picture_stream,
    prepare_decoder,
)

UNSTAMPED_FPS = 1.0
"""Frames looked at per second where packets have no time stamps; all are decoded then."""
SAME_SHOT_LEVELS = 10.0
"""Key frames that differ by less, mean grey levels of a tiny picture, show one shot."""
MOST_COMPARED = 64
"""Most key frames that are decoded a first time to be compared; with more of them the further looks
are cut down to a few of each shot in any case."""
_TINY_PX = (32, 32)


class TriagePass(LumaPass):
    """A pass that looks at few frames; used like `LumaPass`, whose attributes it has.

    `seconds_analysed` is the time for which the frames looked at are shown.
    """

    index: PacketIndex | None = None
    """Where the frames lie; None where packets have no stamps, and before the iteration."""

    def _moving(self) -> Iterator[LumaFrame]:
        self.index = read_index(self.info, self.limits)
        if self.index is None:
            self.sample_fps = min(self.sample_fps, UNSTAMPED_FPS)
            yield from super()._moving()
            step = 1 / (self.info.fps_from_header or 25)
        else:
            yield from ahead(self._looks(self.index), depth=FRAMES_AHEAD)
            step = self.index.step * self.index.seconds_per_unit
        self.seconds_analysed = min(self.frames_decoded, self.frames_sampled) * step
        self.is_whole = self.index is not None and self.frames_sampled == len(self.index.pts)
        if not self.is_whole:
            self.not_analysed += (
                f"all but the {self.frames_sampled} frames that a triage looked at",
            )

    def _looks(self, index: PacketIndex) -> Iterator[LumaFrame]:
        planned = plan_looks(index, find_unchanged(self.info, index, self.limits))
        for stamp, frame in decode_looks(self.info, index, planned, self.limits):
            self.frames_decoded += 1
            yield self._reduced(stamp, frame, starts_part=False)
        if not self.frames_decoded:
            raise DecodeError(
                f"none of {len(planned)} frames of {self.info.path!r} could be decoded",
                hint="get an undamaged copy",
            )
        if missing := len(planned) - self.frames_decoded:
            of_all = f"{missing} of {len(planned)} frames"
            self.not_analysed = (f"{of_all} are damaged, or refer to damaged ones",)


def read_looks(
    info: VideoInfo, index: PacketIndex, chosen: Sequence[FrameStamp], *, limits: Limits
) -> Iterator[Frame]:
    """Yield chosen frames of a triage at full size, RGB, as shown.

    Args:
        info: from `probe`.
        index: of the pass in which they were chosen.
        chosen: `LumaFrame.stamp` of the frames, ascending.
        limits: the limits of that pass.

    Raises:
        DecodeError: a frame cannot be decoded any more (the file was changed).
    """
    swscale, size = VideoReformatter(), (info.width_px, info.height_px)
    left = {stamp.pts: stamp for stamp in chosen}
    stamps = np.array([stamp.pts for stamp in chosen], dtype=np.int64)
    for look, frame in decode_looks(info, index, stamps, limits):
        stamp = left.pop(look.pts)
        shape = stamp.shape or Shape.from_header(info)
        pixels = rgb_as_shown(frame, shape, size, swscale, transfer=info.transfer)
        yield Frame(stamp.index, stamp.pts_seconds, pixels)
    if left:
        raise DecodeError(
            f"{len(left)} frames of {info.path!r} were not found again",
            hint="do not change the file while it is read",
        )


def read_index(info: VideoInfo, limits: Limits) -> PacketIndex | None:
    """Read where the frames of a video lie; None if its packets have no time stamps."""
    with open_container(info.path, limits=limits) as container:
        stream = picture_stream(container)
        if stream is None or stream.time_base is None:
            return None
        stamps, key_marks = array("q"), bytearray()  # six hours have a million packets
        for packet in _packets(container.demux(stream)):
            if packet.size and (key_marks or packet.is_keyframe):
                if packet.pts is None:
                    return None
                stamps.append(packet.pts)
                key_marks.append(packet.is_keyframe)
        if not stamps:
            return None
        pts = np.array(stamps, dtype=np.int64)
        unit = float(stream.time_base)
        inside = (pts - pts[0]) * unit <= limits.max_seconds
        return PacketIndex(
            pts=pts[inside],
            keys=np.frombuffer(key_marks, dtype=np.bool_)[inside],
            seconds_per_unit=unit,
            step=frame_step(stream),
            progressive=stream.codec_context.field_order in PROGRESSIVE,
        )


def find_unchanged(info: VideoInfo, index: PacketIndex, limits: Limits) -> frozenset[int]:
    """Return the stamps of key frames that show what the one before shows: no cut lies there.

    Encoders begin a group of pictures at every cut, and elsewhere too. Nothing is decoded where the
    answer would change nothing, or where there are too many.
    """
    keys = np.sort(index.pts[index.keys])
    if len(keys) > MOST_COMPARED or shots_lacking(index) < 2:
        return frozenset()
    swscale, header = VideoReformatter(), Shape.from_header(info)
    unchanged: set[int] = set()
    before: NDArray[np.int16] | None = None
    for stamp, frame in decode_looks(info, index, keys, limits):
        tiny = luma_as_shown(frame, stamp.shape or header, _TINY_PX, swscale).astype(np.int16)
        if before is not None and np.abs(tiny - before).mean() < SAME_SHOT_LEVELS:
            unchanged.add(stamp.pts)
        before = tiny
    return frozenset(unchanged)


def decode_looks(
    info: VideoInfo, index: PacketIndex, stamps: Stamps, limits: Limits
) -> Iterator[tuple[FrameStamp, VideoFrame]]:
    """Decode frames by their stamps, in order, and as few others as they need.

    Frames that cannot be decoded, are damaged or refer to damaged ones are left out.
    """
    awaited = set(stamps.tolist())
    number = 0
    with Listener() as listener, ExitStack() as stack:
        with listener.during():
            container = stack.enter_context(open_container(info.path, limits=limits))
        stream = picture_stream(container)
        if stream is None:
            return
        # in one thread what FFmpeg says is about the packet that it was given
        prepare_decoder(stream, limits=limits, threads=False)
        decoder = _Decoder(container, stream, listener)
        packets = _groups(_packets(container.demux(stream)), index, awaited)
        try:
            for frame in chain.from_iterable(map(decoder.decode, chain(packets, [None]))):
                pts = frame.pts
                if pts is not None and pts in awaited:
                    awaited.discard(pts)
                    shape = _own_shape(info, frame)
                    yield FrameStamp(number, pts, index.seconds(pts), shape=shape), frame
                    number += 1
        finally:
            close_decoder(stream)


def _own_shape(info: VideoInfo, frame: VideoFrame) -> Shape | None:
    """Return how a frame asks to be turned, where the header says otherwise."""
    turn, header = turn_of_frame(frame), Shape.from_header(info)
    if turn is None:
        return None
    shape = replace(header, rotation_degrees=turn[0], mirrored=turn[1])
    return None if shape == header else shape


def _groups(
    packets: Iterator[Packet[VideoStream]], index: PacketIndex, stamps: set[int]
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets from each key frame to the last wanted frame behind it, none of others.

    Frames that no other needs are left out by the decoder.
    """
    last = _last_of_groups(index, stamps)
    until: int | None = None
    for packet in packets:
        if not packet.size or packet.pts is None:
            continue
        if packet.is_keyframe:
            until = last.get(packet.pts)
        if until is None:
            continue
        needed = packet.is_keyframe or packet.pts in stamps or not index.progressive
        packet.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        yield packet
        if packet.pts == until:
            until = None


def _last_of_groups(index: PacketIndex, stamps: set[int]) -> dict[int, int]:
    """Return, by a key frame's stamp, that of the last packet of its group that is wanted."""
    last: dict[int, int] = {}
    key = int(index.pts[0])
    for pts, is_key in zip(index.pts.tolist(), index.keys.tolist(), strict=True):
        if is_key:
            key = pts
        if pts in stamps:
            last[key] = pts
    return last


class _Decoder:
    """Decodes packets and keeps back what is damaged, as far as anything tells that it is."""

    def __init__(self, container: InputContainer, stream: VideoStream, listener: Listener) -> None:
        context = stream.codec_context
        self._context, self._listener = context, listener
        self._components = (container.format.name, context.name, context.codec.name)
        self._codec, self._configuration = context.name, context.extradata
        self._packets = Packets(context.name)

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Return the sound frames that come out; None as packet empties the decoder."""
        self._listener.take()  # about packets that were left out
        if packet is not None:
            self._send(packet)
        with self._listener.during():
            frames = self._decode(packet)
        if any(message.is_damage for message in self._listener.take(*self._components)):
            self._packets.spoil()
        return [frame for frame in frames if not self._is_damaged(frame)]

    def _send(self, packet: Packet[VideoStream]) -> None:
        data = bytes(packet)
        packet.opaque = self._packets.send(
            packet.pts,
            data[0],
            key=packet.is_keyframe,
            marked=packet.is_corrupt,
            discarded=packet.is_discard,
        )
        packet.is_corrupt = False  # as in `decode`: the decoder would mark the frame
        if is_overwritten(self._codec, self._configuration, data):
            self._packets.spoil()

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError:
            self._packets.spoil()
            return []

    def _is_damaged(self, frame: VideoFrame) -> bool:
        note = frame.opaque if isinstance(frame.opaque, Sent) else None
        return self._packets.come_out(note, corrupt=frame.is_corrupt, intra=frame.key_frame)


def _packets(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Yield packets until reading breaks off."""
    try:
        yield from packets
    except av.FFmpegError:
        return
