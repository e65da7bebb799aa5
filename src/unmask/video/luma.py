"""The first pass: every frame decoded once, sampled, reduced, and only its luma kept.

Faces are searched and key frames chosen on these small pictures; colour conversion at full size,
the second largest cost after decoding, is left to the few frames that are chosen (`rgb`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from unmask.core.errors import DecodeError
from unmask.core.media import VideoInfo
from unmask.core.settings import Limits
from unmask.system.stages import stage_of_each
from unmask.video import png
from unmask.video.budget import Unfolding, frames_ahead
from unmask.video.decode import Decoding, FrameStamp
from unmask.video.full_frame import FullFrame
from unmask.video.picture import luma_as_shown, reduced_size, rgb_as_shown
from unmask.video.prefetch import ahead
from unmask.video.shape import Shape
from unmask.video.shortfall import compute_shortfall
from unmask.video.still import decode_still

TICK_TOLERANCE = 0.25
"""Part of a sampling interval that a frame may come early (stamps are rounded to ms, often)."""
FRAMES_AHEAD = 6
"""Most decoded frames that wait for their turn."""
PART_SECONDS = 0.5
"""After a longer stretch without a sound frame, nothing is followed on from before it."""


class LumaFrame:
    """One sampled frame, reduced, as shown.

    Attributes:
        stamp: what `read_frames` finds this frame by.
        luma: `(h, w)` uint8.
        codec_key: whether the encoder made this a key frame.
        starts_part: whether a jump of the clock, or a stretch that is damaged or missing, lies
            before it: nothing is followed on from the frames before.
        scale: a length in pixels of the original as shown, times this, is one in `luma`.
        full: the frame at full size; whoever keeps it keeps its memory.
    """

    __slots__ = ("_rgb", "codec_key", "full", "luma", "scale", "stamp", "starts_part")

    def __init__(
        self,
        stamp: FrameStamp,
        luma: NDArray[np.uint8],
        scale: float,
        rgb: Callable[[], NDArray[np.uint8]],
        *,
        codec_key: bool = True,
        starts_part: bool = False,
        full: FullFrame | None = None,
    ) -> None:
        self.full = full
        self.codec_key = codec_key
        self.starts_part = starts_part
        self.stamp = stamp
        self.luma = luma
        self.scale = scale
        self._rgb: Callable[[], NDArray[np.uint8]] | None = rgb

    @property
    def index(self) -> int:
        """Position among all decoded frames, from 0."""
        return self.stamp.index

    @property
    def pts(self) -> int:
        """Time stamp in units of the stream."""
        return self.stamp.pts

    @property
    def pts_seconds(self) -> float:
        """Time stamp, seconds from the first frame."""
        return self.stamp.pts_seconds

    def rgb(self) -> NDArray[np.uint8]:
        """Return the same picture in colour, `(h, w, 3)`, made now.

        Only while this is the pass's latest frame: the decoded frame behind it is then let go,
        so that memory does not grow with the number of frames that a caller keeps.

        Raises:
            ValueError: the next frame has been taken.
        """
        if self._rgb is None:
            raise ValueError(f"colour of frame {self.index} asked for after the next was taken")
        return self._rgb()

    def release(self) -> None:
        """Let go of the decoded frame; `luma` stays."""
        self._rgb = self.full = None

    def __repr__(self) -> str:
        """Show the shape, not the pixels."""
        height, width = self.luma.shape
        return (
            f"LumaFrame(index={self.index}, pts_seconds={self.pts_seconds:.3f}, {width}x{height})"
        )


class LumaPass:
    """One pass over a file; iterate once, then read what was and was not analysed.

    Args:
        info: from `probe`.
        sample_fps: frames are sampled to at most this rate; none is ever shown twice.
        long_side_px: longer side of the reduced pictures; smaller originals are not enlarged.
        limits: where to stop.
        quick: whether frames that no other is decoded from are left out.

    Attributes:
        frames_decoded: frames decoded so far, those that wait included.
        frames_left_out: frames that were not decoded, known after the iteration.
        frames_sampled: frames yielded so far.
        seconds_analysed: from the first frame to the end of the last one, without jumps of the
            clock and gaps; 0 until the iteration is over.
        not_analysed: what was left out, a reason each; complete after the iteration.
        is_whole: whether nothing is missing of the stream that was read; known after the iteration.
        missing_ratio: share of the stream that is not in the file or could not be decoded.
        damaged_ratio: share of the decoded frames that is damaged, and was not looked at.
    """

    def __init__(
        self,
        info: VideoInfo,
        *,
        sample_fps: float,
        long_side_px: int,
        limits: Limits,
        quick: bool = False,
    ) -> None:
        if sample_fps <= 0 or long_side_px <= 0:
            raise ValueError(f"above zero, please: {sample_fps=}, {long_side_px=}")
        self.info = info
        self.sample_fps = sample_fps
        self.limits = limits
        self.quick = quick
        width, height, self.scale = reduced_size(info, long_side_px)
        self._size = (width, height)
        self._shape = Shape.from_header(info)
        self._swscale_luma, self._swscale_rgb = VideoReformatter(), VideoReformatter()
        self.frames_decoded = 0
        self.frames_left_out = 0
        self.frames_sampled = 0
        self.seconds_analysed = 0.0
        self.not_analysed: tuple[str, ...] = ()
        self.is_whole = True
        self.missing_ratio = 0.0
        self.damaged_ratio = 0.0

    def __iter__(self) -> Iterator[LumaFrame]:
        """Yield the sampled frames in order of time.

        Raises:
            DecodeError: no frame at all could be decoded.
        """
        frames = self._still() if self.info.kind == "image" else self._moving()
        for frame in frames:
            self.frames_sampled += 1
            yield frame
            frame.release()

    def _still(self) -> Iterator[LumaFrame]:
        decoded = decode_still(self.info.path, limits=self.limits)
        damage, spoilt = decoded.damage, decoded.is_spoilt
        small = Image.fromarray(decoded.pixels).resize(self._size, Image.Resampling.BOX)
        del decoded  # the search for faces takes memory of its own
        self.frames_decoded = 1
        luma = np.array(small.convert("L"), dtype=np.uint8)
        colour = np.array(small, dtype=np.uint8)
        self.damaged_ratio = float(spoilt)
        if not spoilt:
            yield LumaFrame(FrameStamp(0, 0, 0.0), luma, self.scale, colour.copy)
        count = self.info.frames_from_header
        if count is None:
            self.not_analysed = (
                "what follows the first picture in the file: it is damaged, or too much to count",
            )
        elif count > 1:
            self.not_analysed = (f"all but the first of {count} pictures in the file",)
        self.not_analysed = (*damage, *self.not_analysed)

    def _moving(self) -> Iterator[LumaFrame]:
        decoding = Decoding(self.info, self.limits, quick=self.quick)
        depth = frames_ahead(self.info, FRAMES_AHEAD, self.limits)
        frames = stage_of_each("decoding", self._sampled(decoding))
        yield from ahead(frames, depth=depth)
        lack = compute_shortfall(decoding)
        self.frames_left_out = decoding.left_out
        self.seconds_analysed = max(0.0, decoding.seconds - lack.gap_seconds)
        self.not_analysed = (*lack.reasons, *self._missing_of_apng())
        self.is_whole = not self.not_analysed
        self.missing_ratio = lack.missing_ratio
        self.damaged_ratio = lack.damaged_ratio
        if self.frames_decoded == 0:
            why = "; ".join(self.not_analysed) or "it holds no frame"
            raise DecodeError(
                f"no picture of {self.info.path!r} could be decoded: {why}",
                hint="get an undamaged copy",
            )
        if others := decoding.other_streams:
            self.not_analysed += (f"{others} other video stream{'s' if others > 1 else ''}",)

    def _missing_of_apng(self) -> tuple[str, ...]:
        """Return what is missing of an animated PNG, of which FFmpeg says nothing."""
        if self.info.container != "apng":
            return ()
        with Path(self.info.path).open("rb") as file:
            return png.list_missing(file)

    def _sampled(self, decoding: Decoding) -> Iterator[LumaFrame]:
        last_tick, last_sound, jumped = -1, 0.0, False
        unfolding = Unfolding(self.info, self.limits)
        for stamp, frame in decoding:
            self.frames_decoded += 1
            if (why := unfolding.exceeded_by(frame)) is not None:
                decoding.stopped = why
                return
            jumped = jumped or stamp.after_jump
            if stamp.damaged:
                continue
            tick = math.floor(stamp.pts_seconds * self.sample_fps + TICK_TOLERANCE)
            if tick > last_tick:
                apart = self._is_apart(stamp.pts_seconds - last_sound, decoding)
                last_tick = tick
                yield self._reduced(stamp, frame, starts_part=jumped or apart)
                jumped = False
            last_sound = stamp.pts_seconds

    def _is_apart(self, seconds: float, decoding: Decoding) -> bool:
        """Tell whether frames are missing for so long that a track should not go on."""
        if seconds <= PART_SECONDS:
            return False
        return decoding.packets.damaged > 0 or decoding.clock.is_regular

    def _reduced(self, stamp: FrameStamp, frame: VideoFrame, *, starts_part: bool) -> LumaFrame:
        shape = stamp.shape or self._shape
        luma = luma_as_shown(frame, shape, self._size, self._swscale_luma)

        def rgb() -> NDArray[np.uint8]:
            return rgb_as_shown(
                frame, shape, self._size, self._swscale_rgb, transfer=self.info.transfer
            )

        return LumaFrame(
            stamp,
            luma,
            self.scale,
            rgb,
            codec_key=bool(frame.key_frame),
            starts_part=starts_part,
            full=FullFrame(frame, shape, self.info),
        )
