"""Decoding every frame of a video in order, with its number, its time and what went wrong.

Both passes count frames here, so that a frame's index means the same in both. Damage does not end
the reading: what can be decoded is decoded, and `Decoding` keeps account of the rest (see
`damage_account`).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from heapq import heappop, heappush
from statistics import median
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from unmask.core.media import VideoInfo
from unmask.core.settings import Limits
from unmask.video.damage_account import Packets, Sent, regular_step
from unmask.video.ffmpeg_messages import Listener, Message
from unmask.video.nal import is_disposable, is_overwritten
from unmask.video.shape import Shape, turn_of_frame
from unmask.video.source import (
    PROGRESSIVE,
    close_decoder,
    frame_step,
    has_own_aspect,
    has_sample_table,
    open_container,
    picture_stream,
    picture_streams,
    prepare_decoder,
    read_reason,
    tagged_seconds,
)

JUMP_SECONDS = 3.0
"""A longer step of a regular clock is a jump: no recorder pauses like that between frames."""
LONG_JUMP_SECONDS = 60.0
"""A longer step than this is one in other clocks, but for files that state how long each frame is
shown."""
_STEPS_KEPT = 32
"""Latest steps that tell whether a clock is regular."""


@dataclass(frozen=True)
class FrameStamp:
    """What a frame is found by in a second pass, and how it is shown."""

    index: int
    """Position among all decoded frames, from 0."""
    pts: int
    """Time stamp in units of the stream."""
    pts_seconds: float
    """Time stamp, seconds from the first frame."""
    own: bool = True
    """Whether the stamp is the file's own; if False it was missing or ran backwards, and `pts`
    was continued at the usual frame rate."""
    shape: Shape | None = None
    """How the frame is shown, where that is not as the header says."""
    damaged: bool = False
    """Whether it was decoded from damaged data or refers to a frame that was."""
    after_jump: bool = False
    """Whether the clock jumped before it."""


@dataclass
class Clock:
    """Turns the stamps of decoded frames into strictly ascending ones."""

    step: int
    """Usual distance of two frames, units of the stream."""
    seconds_per_unit: float
    """Time base."""
    stated: bool = False
    """Whether the container states how long each frame is shown."""
    first: int | None = None
    """Stamp of the first frame."""
    last: int = 0
    """Stamp of the latest frame."""
    count: int = 0
    """Frames seen."""
    backward: int = 0
    """Frames whose stamp was no later than the one before."""
    jumps: list[tuple[float, float]] = field(default_factory=list)
    """Where the clock jumped: time of the frame before, and by how many seconds."""
    _offset: int = 0
    """What is added to stamps since they last ran backwards."""
    _steps: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS_KEPT))

    def stamp(self, pts: int | None, own: bool = True) -> FrameStamp:
        """Number the next frame and give it a time later than the one before.

        Args:
            pts: its stamp.
            own: whether that is the file's own.
        """
        own = own and pts is not None and self._offset == 0
        usual = self.step if self.first is not None else 0
        time = self.last + usual if pts is None else pts + self._offset
        if self.first is None:
            self.first = self.last = time
        elif time <= self.last:
            own = False
            if pts is not None:
                self.backward += 1
                self._offset += self.last + usual - time
            time = self.last + usual
        after_jump = self._is_jump(time - self.last)
        if after_jump:
            length = (time - self.last - self.step) * self.seconds_per_unit
            self.jumps.append((self.seconds, length))
        elif self.count:
            self._steps.append(time - self.last)
        self.last = time
        self.count += 1
        return FrameStamp(self.count - 1, time, self.seconds, own, after_jump=after_jump)

    @property
    def seconds(self) -> float:
        """Time of the latest frame, seconds from the first."""
        return (self.last - (self.first or 0)) * self.seconds_per_unit

    @property
    def jumped_seconds(self) -> float:
        """Time that was jumped over."""
        return sum(length for _, length in self.jumps)

    @property
    def usual_step(self) -> float:
        """Median of the latest steps, units of the stream; the header's where there are none."""
        return float(median(self._steps)) if self._steps else float(self.step)

    @property
    def is_regular(self) -> bool:
        """Whether the latest steps are nearly all alike."""
        return regular_step(self._steps) is not None

    def _is_jump(self, step: int) -> bool:
        seconds = step * self.seconds_per_unit
        if seconds <= JUMP_SECONDS:
            return False
        usual = regular_step(self._steps)
        if usual is None:
            return not self.stated and self.count > 1 and seconds > LONG_JUMP_SECONDS
        least = LONG_JUMP_SECONDS if self.stated else JUMP_SECONDS
        return seconds - usual * self.seconds_per_unit > least


@dataclass
class Decoding:
    """One reading of a video from its start; iterate once, then read the account."""

    info: VideoInfo
    """The video."""
    limits: Limits
    """Where to stop."""
    quick: bool = False
    """Whether frames that no other is decoded from are left out, where that can be told."""
    left_out: int = 0
    """Frames that were."""
    damaged_packets: int = 0
    """Packets that could not be decoded."""
    damage: list[str] = field(default_factory=list)
    """The first few things that FFmpeg said of damage."""
    stopped: str | None = None
    """Why reading ended before the end of the file."""
    seconds: float = 0.0
    """Time from the first frame to the end of the last, jumps of the clock left out."""
    behind_limit: bool = False
    """Whether something lies behind `limits.max_seconds`."""
    other_streams: int = 0
    """Video streams beside the one that is read, cover pictures not counted."""
    packets: Packets = field(default_factory=lambda: Packets(""))
    """What became of the packets."""
    packets_read: int = 0
    """Packets of the stream that the container gave."""
    packets_promised: int | None = None
    """Packets that its sample table or index lists; None where it has none."""
    interlaced: bool = False
    """Whether a frame was interlaced: two packets can make one frame then."""
    stamps: array[int] = field(default_factory=lambda: array("q"))
    """Time stamps of the packets, units of the stream."""
    key_places: set[int] = field(default_factory=set)
    """Places of the key packets among the stamps."""
    hidden_after: array[int] = field(default_factory=lambda: array("q"))
    """For each packet that an edit list hides: how many came before that it does not hide."""
    hidden_keys: array[int] = field(default_factory=lambda: array("q"))
    """The same for the key packets among them."""
    ends: dict[int, float] = field(default_factory=dict)
    """End of each stream, seconds on the container's clock."""
    clock: Clock = field(default_factory=lambda: Clock(1, 1.0))
    """The clock of the frames."""
    stream_index: int = 0
    """Number of the stream that is read."""
    length_seconds: float | None = None
    """Length of the whole file that its header states."""
    own_length_seconds: float | None = None
    """Length of the stream that its own tags state."""
    is_fragmented: bool = False
    """Whether the sample table grows on the way, so that it is no promise for all."""
    _decoding_times: list[int] | None = None
    _waiting: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS_KEPT))
    _usually_waiting: int | None = None
    _delay: int | None = None
    _left_out_stamps: list[int] = field(default_factory=list)
    _left_out_in_row: int = 0
    _listed_at_first: int = 0
    _shapes: dict[int, float] = field(default_factory=dict)
    _turns: dict[int, tuple[int, bool] | None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[FrameStamp, VideoFrame]]:
        """Yield every decoded frame in order of presentation."""
        with Listener() as listener, ExitStack() as stack:
            with listener.during():
                opened = open_container(self.info.path, limits=self.limits)
                container = stack.enter_context(opened)
            listener.take()  # what is wrong with the header shows in what follows
            stream = picture_stream(container)
            if stream is None or stream.time_base is None:
                return
            self.other_streams = len(picture_streams(container)) - 1
            self.stream_index = stream.index
            prepare_decoder(stream, limits=self.limits, threads=listener.may_use_threads)
            self.packets = Packets(stream.codec_context.name)
            self.clock = Clock(
                frame_step(stream),
                float(stream.time_base),
                stated=has_sample_table(container) or container.format.name in _STATED,
            )
            self.length_seconds = container.duration / av.time_base if container.duration else None
            self.own_length_seconds = tagged_seconds(stream.metadata.get("DURATION", ""))
            if container.format.name == "avi":
                self._decoding_times = []
                self._listed_at_first = len(stream.index_entries)
            try:
                yield from self._frames(container, stream, listener)
                self.packets_promised = self._promised(container, stream)
            finally:
                close_decoder(stream)

    def _frames(
        self, container: InputContainer, stream: VideoStream, listener: Listener
    ) -> Iterator[tuple[FrameStamp, VideoFrame]]:
        names = (container.format.name, stream.codec_context.name, stream.codec_context.codec.name)
        for packet in self._demuxed(container, listener):
            if packet is not None and packet.stream_index != stream.index:
                self._note_end(packet)
                continue
            if damage := _damage_in(listener.take(container.format.name)):
                self.packets.spoil()
                self._keep(damage)
            self._count(packet)
            if not self._send(stream, packet):
                continue
            with listener.during():
                frames = self._decoded(stream, packet)
            if stream.codec_context.thread_count > 1:
                self.packets.set_depth(stream.codec_context.thread_count + 1)
            if (damage := _damage_in(listener.take(*names))) and self.packets.spoil():
                self._keep(damage)
            for frame in frames:
                stamp = self._stamp(stream, frame)
                if not self._reach(stamp, frame.duration):
                    return
                yield stamp, frame
        self._reach_end()

    def _reach_end(self) -> None:
        """Count the frames left out that would be shown after the last one."""
        while self._left_out_stamps:
            if not self._reach(self.clock.stamp(heappop(self._left_out_stamps))):
                return

    def _reach(self, stamp: FrameStamp, duration: int | None = None) -> bool:
        """Move the end of what was read behind a frame; False where that is behind the limit."""
        seconds = stamp.pts_seconds - self.clock.jumped_seconds
        if seconds > self.limits.max_seconds:
            self.behind_limit = True
            return False
        self.seconds = seconds + (duration or self.clock.step) * self.clock.seconds_per_unit
        return True

    def _may_leave_out(self, stream: VideoStream, packet: Packet[Any], data: bytes) -> bool:
        """Tell whether a packet can go undecoded: it is sound, and nothing is predicted from it.

        Where many in a row could go, some are decoded, so that faces can still be followed.
        """
        context = stream.codec_context
        return (
            self.quick
            and self._decoding_times is None
            and packet.pts is not None
            and not (packet.is_keyframe or packet.is_corrupt or packet.is_discard)
            and context.field_order in PROGRESSIVE
            and self._left_out_in_row < _MOST_LEFT_OUT_IN_ROW
            and self.clock.count > 0
            and self.clock.backward == 0
            and packet.pts > self.clock.last
            and self.packets.is_sound(packet.pts)
            and is_disposable(context.name, context.extradata, data)
        )

    def _leave_out(self, packet: Packet[Any]) -> None:
        """Note a packet that is not decoded; its frame is counted when its time comes."""
        assert packet.pts is not None  # noqa: S101 - as `_may_leave_out` has seen
        heappush(self._left_out_stamps, packet.pts)
        self.left_out += 1
        self._left_out_in_row += 1

    def _keep(self, damage: list[str]) -> None:
        for text in damage:
            if len(self.damage) < _MOST_DAMAGE and text not in self.damage:
                self.damage.append(text)

    def _count(self, packet: Packet[Any] | None) -> None:
        """Note what the container says of a packet."""
        if packet is None or packet.size == 0:
            return
        self.packets_read += 1
        if self._decoding_times is not None and packet.dts is not None:
            heappush(self._decoding_times, packet.dts)
        if packet.is_discard:
            self.hidden_after.append(len(self.stamps))
            if packet.is_keyframe:
                self.hidden_keys.append(len(self.stamps))
        elif packet.pts is not None:
            if packet.is_keyframe:
                self.key_places.add(len(self.stamps))
            self.stamps.append(packet.pts)
        self._note_end(packet)

    def _send(self, stream: VideoStream, packet: Packet[Any] | None) -> bool:
        """Give a packet the note that its frame will carry; False where it is left out."""
        if packet is None or packet.size == 0:
            return True
        data, context = bytes(packet), stream.codec_context
        overwritten = is_overwritten(context.name, context.extradata, data)
        if not overwritten and self._may_leave_out(stream, packet, data):
            self._leave_out(packet)
            return False
        self._left_out_in_row = 0
        packet.opaque = self.packets.send(
            packet.pts,
            data[0],
            key=packet.is_keyframe,
            marked=packet.is_corrupt,
            discarded=packet.is_discard,
        )
        # the decoder would mark the frame, though at a join of recordings nothing is wrong with it
        packet.is_corrupt = False
        if overwritten:
            self._keep(["overwritten data"])
            self.packets.spoil()
        return True

    def _stamp(self, stream: VideoStream, frame: VideoFrame) -> FrameStamp:
        note = frame.opaque if isinstance(frame.opaque, Sent) else None
        time, own = self._time(frame)
        jumped = self._pass_left_out(time)
        stamp = self.clock.stamp(time, own)
        intra = frame.key_frame or frame.pict_type not in _REFERRING
        damaged = self.packets.come_out(note, corrupt=frame.is_corrupt, intra=intra)
        self.interlaced = self.interlaced or frame.interlaced_frame
        shape = self._shape(stream, frame, note)
        return FrameStamp(
            stamp.index,
            stamp.pts,
            stamp.pts_seconds,
            stamp.own,
            None if shape == Shape.from_header(self.info) else shape,
            damaged,
            stamp.after_jump or jumped,
        )

    def _pass_left_out(self, time: int | None) -> bool:
        """Count the frames left out that are shown before a time; return whether the clock jumps.

        So a frame has the number and the clock the steps that they have where all is decoded.
        """
        jumped, waiting = False, self._left_out_stamps
        while waiting and time is not None and waiting[0] < time:
            jumped |= self.clock.stamp(heappop(waiting)).after_jump
        return jumped

    def _time(self, frame: VideoFrame) -> tuple[int | None, bool]:
        """Return a frame's time stamp, and whether it is the file's own.

        AVI has the times of decoding only, and what FFmpeg makes of them for frames that are shown
        in another order is out of order itself. The frames come out in the order of presentation,
        and at an even pace: the first is shown at the first of these times, and so on.
        """
        if not self._decoding_times:
            return frame.pts, True
        self._drop_times_of_lost_packets(self._decoding_times)
        time = heappop(self._decoding_times)
        if self._delay is None:
            self._delay = (frame.pts or time) - time
        return time + self._delay, frame.pts == time + self._delay

    def _drop_times_of_lost_packets(self, times: list[int]) -> None:
        """Take out the earliest of the times where more wait than ever since the beginning.

        As many packets are always in the decoder; of one more than that no frame will come, and
        each later frame would be shown one place too early.
        """
        self._waiting.append(len(times))
        if len(self._waiting) < _STEPS_KEPT:
            return
        fewest = min(self._waiting)
        if self._usually_waiting is None or fewest < self._usually_waiting:
            self._usually_waiting = fewest
        elif fewest > self._usually_waiting:
            for _ in range(fewest - self._usually_waiting):
                heappop(times)
            self._waiting.clear()

    def _shape(self, stream: VideoStream, frame: VideoFrame, note: Sent | None) -> Shape:
        """Return how a frame is shown.

        The decoder states the pixel aspect of what it reads, which may be some frames ahead of what
        comes out; within a group of pictures it does not change, so the first frame's is kept.
        """
        aspect = self.info.pixel_aspect
        if not has_own_aspect(self.info.container):
            group = -1 if note is None else note.group
            if group not in self._shapes:
                ratio = stream.codec_context.sample_aspect_ratio
                self._shapes = {group: float(ratio or 1) or 1.0}
            aspect = self._shapes[group]
        if frame.rotation not in self._turns:
            self._turns[frame.rotation] = turn_of_frame(frame)
        turn = self._turns[frame.rotation]
        header = self.info.rotation_degrees, self.info.mirrored
        return Shape(aspect, *(header if turn is None else turn))

    def _note_end(self, packet: Packet[Any]) -> None:
        if packet.pts is None or not packet.time_base or packet.is_discard:
            return
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self.ends[packet.stream_index] = max(end, self.ends.get(packet.stream_index, end))

    def _promised(self, container: InputContainer, stream: VideoStream) -> int | None:
        """Count the packets that the container lists, but for empty ones."""
        if not has_sample_table(container):
            return None
        entries = stream.index_entries
        if container.format.name == "avi":
            if self._listed_at_first < 2:  # the index at its end is missing: the header counts
                return stream.frames or None
            if len(entries) < stream.frames:  # entries of the index are damaged
                return stream.frames
            if len(entries) <= self.packets_read:
                return len(entries)
            return sum(entry.size > 0 for entry in entries)  # empty ones repeat a frame
        self.is_fragmented = stream.frames < self.packets_read
        if stream.frames > len(entries) and not self._is_edited(stream.frames):
            return stream.frames
        return len(entries) or None

    def _is_edited(self, frames: int) -> bool:
        """Tell whether an edit list, and not damage, leaves samples of a table out."""
        options = {"ignore_editlist": "1"}
        with open_container(self.info.path, limits=self.limits, more_options=options) as container:
            stream = picture_stream(container)
            return stream is not None and len(stream.index_entries) >= frames

    def _demuxed(
        self, container: InputContainer, listener: Listener
    ) -> Iterator[Packet[Stream] | None]:
        """Yield packets of all streams; None flushes the decoder when reading breaks off."""
        packets = iter(container.demux())
        while True:
            try:
                with listener.during():
                    packet = next(packets, None)
            except av.FFmpegError as error:
                self.stopped = read_reason(error)
                packet = None
            yield packet
            if packet is None:
                return

    def _decoded(self, stream: VideoStream, packet: Packet[Any] | None) -> list[VideoFrame]:
        try:
            return stream.codec_context.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.damaged_packets += 1
            self.packets.spoil()
            return []


_STATED = ("gif", "apng", "webp_anim")
"""Formats beside those with a sample table that state how long each frame is shown."""
_REFERRING = (PictureType.P, PictureType.B)
_MOST_DAMAGE = 3
"""Messages that are kept."""
_MOST_LEFT_OUT_IN_ROW = 3
"""As many as encoders put between two others by default."""


def _damage_in(messages: list[Message]) -> list[str]:
    """Return what messages say of damage."""
    return [f"{each.component}: {each.text}" for each in messages if each.is_damage]
