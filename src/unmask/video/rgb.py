"""The second pass: the chosen frames, and only those, in full colour and size.

Packets of frames that nobody needs, neither a person nor another frame, are not decoded, and
groups of pictures without a chosen frame are jumped over. Should a chosen frame not turn up that
way (odd time stamps, damage), the video is read once more from its start and frames are counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from unmask.core.errors import DecodeError
from unmask.core.media import Frame, VideoInfo
from unmask.core.settings import Limits
from unmask.video.decode import Decoding, FrameStamp
from unmask.video.ffmpeg_messages import Listener
from unmask.video.picture import rgb_as_shown
from unmask.video.shape import Shape
from unmask.video.source import (
    PROGRESSIVE,
    close_decoder,
    open_container,
    picture_stream,
    prepare_decoder,
)
from unmask.video.still import pixels_as_shown


def read_frames(
    info: VideoInfo, chosen: Sequence[FrameStamp], *, limits: Limits
) -> Iterator[Frame]:
    """Yield the chosen frames at full size, RGB, as shown.

    Args:
        info: from `probe`.
        chosen: `LumaFrame.stamp` of the frames, ascending by index.
        limits: the limits of the first pass.

    Raises:
        ValueError: `chosen` is not ascending.
        DecodeError: a chosen frame cannot be decoded any more (the file was changed).
    """
    indices = [stamp.index for stamp in chosen]
    if any(later <= earlier for earlier, later in pairwise(indices)):
        raise ValueError(f"chosen frames must ascend by index, got {indices}")
    return _frames(info, list(chosen), limits)


def _frames(info: VideoInfo, chosen: list[FrameStamp], limits: Limits) -> Iterator[Frame]:
    if not chosen:
        return
    if info.kind == "image":
        yield Frame(0, 0.0, pixels_as_shown(info.path, limits=limits))
        return
    swscale, size, done = VideoReformatter(), (info.width_px, info.height_px), 0
    for way in (_by_stamp, _by_count):
        for stamp, frame in way(info, chosen[done:], limits):
            done += 1
            shape = stamp.shape or Shape.from_header(info)
            pixels = rgb_as_shown(frame, shape, size, swscale, transfer=info.transfer)
            yield Frame(stamp.index, stamp.pts_seconds, pixels)
        if done == len(chosen):
            return
    raise DecodeError(
        f"frame {chosen[done].index} of {info.path!r} was not found again",
        hint="do not change the file while it is read",
    )


def _by_count(
    info: VideoInfo, chosen: list[FrameStamp], limits: Limits
) -> Iterator[tuple[FrameStamp, VideoFrame]]:
    """Yield chosen frames by their number, from a plain decode of everything."""
    indices = {stamp.index for stamp in chosen}
    last = max(indices)
    for stamp, frame in Decoding(info, limits):
        if stamp.index in indices:
            yield stamp, frame
        if stamp.index >= last:
            return


def _by_stamp(
    info: VideoInfo, chosen: list[FrameStamp], limits: Limits
) -> Iterator[tuple[FrameStamp, VideoFrame]]:
    """Yield chosen frames by their time stamp, in order, up to the first that is not found."""
    if not all(stamp.own for stamp in chosen):
        return
    with Listener() as listener, open_container(info.path, limits=limits) as container:
        stream = picture_stream(container)
        if stream is None:
            return
        prepare_decoder(stream, limits=limits, threads=listener.may_use_threads)
        awaited = deque(chosen)
        try:
            for frame in _Shortcut(container, stream, [stamp.pts for stamp in chosen]):
                listener.take()
                if frame.pts is None or frame.pts < awaited[0].pts:
                    continue
                if frame.pts != awaited[0].pts:
                    return
                yield awaited.popleft(), frame
                if not awaited:
                    return
        finally:
            close_decoder(stream)


class _Shortcut:
    """Frames of a stream in order, without some that were not asked for."""

    def __init__(self, container: InputContainer, stream: VideoStream, pts: list[int]) -> None:
        self.container = container
        self.stream = stream
        self.unsent = set(pts)
        self.order = deque(sorted(pts))
        self.sent_dts: int | None = None
        self.reorder = 0
        self.place = -1
        self.may_skip = stream.codec_context.field_order in PROGRESSIVE
        self.key_stamps = (
            [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
            if self.may_skip
            else []
        )

    def __iter__(self) -> Iterator[VideoFrame]:
        indices = frozenset(self.unsent)
        for packet in _until_broken(self.container.demux(self.stream)):
            self._note(packet, indices)
            yield from self._decode(packet)
            if not self.unsent:
                break
            target = self._jump()
            if target is not None:
                yield from self._decode(None)
                self.container.seek(target, stream=self.stream)
        yield from self._decode(None)

    def _note(self, packet: Packet[VideoStream], indices: frozenset[int]) -> None:
        """Say whether the decoder may leave this packet out, and keep account of it."""
        needed = packet.pts is None or packet.pts in indices or not self.may_skip
        self.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        if packet.pts is not None:
            self.unsent.discard(packet.pts)
        if packet.dts is not None:
            self.sent_dts = packet.dts
            if packet.pts is not None:
                self.reorder = max(self.reorder, packet.pts - packet.dts)

    def _jump(self) -> int | None:
        """Return the time to seek to, if packets without a chosen frame lie in between.

        The index holds decoding times; a key frame is surely shown before the chosen frame if
        its decoding time lies before it by more than frames are reordered. Each key frame is
        jumped to at most once, as demuxers may land earlier than asked.
        """
        while self.order[0] not in self.unsent:
            self.order.popleft()
        target = self.order[0] - self.reorder
        place = bisect_right(self.key_stamps, target) - 1
        if place <= self.place or self.sent_dts is None:
            return None
        self.place = place
        return target if self.key_stamps[place] > self.sent_dts else None

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self.stream.codec_context.decode(packet)
        except av.FFmpegError:
            return []


def _until_broken(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    try:
        yield from packets
    except av.FFmpegError:
        return
