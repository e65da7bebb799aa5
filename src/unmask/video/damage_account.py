"""The account of what a video lacks: what was damaged, lost, cut off or left out, and how much.

Packets are followed from the container through the decoder to the frames that come out. A packet
that is damaged spoils its own frame and all that are predicted from it, up to the next clean key
frame; nothing of those is analysed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIDDEN_FRAMES = ("vp8", "libvpx")
"""Codecs that have packets without a picture (VP8's alternate references)."""
_VP8_SHOWN = 0x10
"""Bit of a VP8 packet's first byte that says that it is shown."""
_JOIN_PACKETS = 3
"""Packets before a join of recordings that a demuxer may mark by mistake."""


@dataclass(eq=False)
class Sent:
    """A packet that was handed to the decoder; the frame that comes of it carries it."""

    group: int
    """Key packets up to this one: its group of pictures; 0 before the first."""
    pts: int | None
    """Time stamp, units of the stream."""
    expected: bool
    """Whether a frame must come of it."""
    damaged: bool = False
    """Whether it, or what it is predicted from, is damaged."""
    shown: bool = False
    """Whether its frame came out."""


class Packets:
    """Follows packets through a decoder, and which of them are spoilt.

    Attributes:
        expected: packets sent so far that a frame must come of.
        shown: those of them whose frame came out.
        damaged: frames that came out damaged.
        headless: packets before the first key packet that nothing came of.
        headless_units: the time that they span.
        early: frames that came out before the first key packet, and are no key frames themselves.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._in_flight: deque[Sent] = deque(maxlen=1)
        self._group = 0
        self._spoilt = False
        self._whole = False
        self._by_mark: list[Sent] = []
        self._spoilt_until: int | None = None
        self._first_key: int | None = None
        self._earliest: int | None = None
        self.expected = self.shown = self.damaged = self.headless = 0
        self.headless_units = self.early = 0

    def set_depth(self, packets: int) -> None:
        """Say how many packets the decoder works on at a time."""
        self._in_flight = deque(self._in_flight, maxlen=max(1, packets))

    def send(
        self,
        pts: int | None,
        first_byte: int | None,
        *,
        key: bool,
        marked: bool,
        discarded: bool,
    ) -> Sent:
        """Return the note of the next packet, in the order of decoding.

        Args:
            pts: its time stamp.
            first_byte: of its data; None where it has none.
            key: whether it begins a group of pictures.
            marked: whether the container says that it is damaged.
            discarded: whether an edit list hides it.
        """
        self._forgive_join(key=key)
        before = self._spoilt
        if key:
            self._begin_group(pts, spoilt_before=before)
        leading = pts is not None and self._spoilt_until is not None and pts < self._spoilt_until
        note = Sent(self._group, pts, self._is_expected(pts, first_byte) and not discarded)
        if (marked and not self._spoilt) or self._by_mark:
            self._by_mark.append(note)
        self._spoilt = self._spoilt or marked
        note.damaged = self._spoilt or leading
        self._in_flight.append(note)
        self.expected += note.expected and self._group > 0
        if self._group == 0:
            self._count_headless(pts)
        return note

    def is_sound(self, pts: int) -> bool:
        """Tell whether nothing speaks against the frame of the next packet, shown at that time."""
        leading = self._spoilt_until is not None and pts < self._spoilt_until
        spoilt = self._spoilt or bool(self._by_mark) or leading
        return self._group > 0 and not spoilt and not self._is_early(pts)

    def spoil(self) -> bool:
        """Take what the decoder works on, and all that is predicted from it, as damaged.

        Returns:
            False where that is nothing: pictures that refer to what lies before the beginning of
            the stream are never shown.
        """
        if self._group == 0 or any(self._is_early(note.pts) for note in self._in_flight):
            return False
        for note in self._in_flight:
            note.damaged = True
        self._spoilt = True
        self._by_mark = []
        return True

    def come_out(self, note: Sent | None, *, corrupt: bool, intra: bool) -> bool:
        """Count a frame that came out; return whether it is damaged.

        Args:
            note: of its packet.
            corrupt: whether the decoder says so.
            intra: whether it refers to no other.
        """
        if note is not None and note.group == 0:
            self._whole = self._whole or intra
            if not self._whole:
                self.early += 1
                corrupt = True
        damaged = corrupt or (self._spoilt if note is None else note.damaged)
        if note is None:
            self.shown += 1
        elif not note.shown:
            note.shown = True
            self.shown += note.expected and note.group > 0
            self.headless -= note.group == 0
        if corrupt:
            self._spoilt = self._spoilt or note is None or note.group == self._group
        self.damaged += damaged
        return damaged

    @property
    def lost(self) -> int:
        """Packets whose frame never came out, known when the decoder is empty."""
        return max(0, self.expected - self.shown)

    def _begin_group(self, pts: int | None, *, spoilt_before: bool) -> None:
        self._group += 1
        self._spoilt = False
        self._spoilt_until = pts if spoilt_before else None
        if self._first_key is None:
            self._first_key = pts
            if self._earliest is not None and pts is not None:
                self.headless_units = max(0, pts - self._earliest)

    def _forgive_join(self, *, key: bool) -> None:
        """Take back a mark just before a key packet, if the decoder had no trouble.

        Where recordings were joined, the counters of transport packets jump, and the demuxer marks
        one of the last packets before the join though nothing is missing.
        """
        if key and 0 < len(self._by_mark) <= _JOIN_PACKETS:
            for note in self._by_mark:
                note.damaged = False
                self.damaged -= note.shown
            self._spoilt = False
        if key:
            self._by_mark = []

    def _is_early(self, pts: int | None) -> bool:
        """Tell a picture of the first group that is shown before its key frame."""
        first = self._first_key
        return self._group == 1 and first is not None and (pts is None or pts < first)

    def _is_expected(self, pts: int | None, first_byte: int | None) -> bool:
        if first_byte is None or self._is_early(pts):
            return False
        return self._codec not in HIDDEN_FRAMES or bool(first_byte & _VP8_SHOWN)

    def _count_headless(self, pts: int | None) -> None:
        self.headless += 1
        if pts is not None:
            self._earliest = pts if self._earliest is None else min(pts, self._earliest)


@dataclass(frozen=True)
class Gap:
    """Frames that are missing in an otherwise regular clock."""

    after: int
    """Time stamp of the frame before, units of the stream."""
    frames: int
    """How many are missing."""


def gaps(
    stamps: Sequence[int], group_starts: Sequence[int], *, damaged: bool, longest: float
) -> list[Gap]:
    """Return where frames are missing, judged by the stamps of those that are there.

    Recordings of screens and phones and slide shows have steps of any length: a gap is told from
    them by the regularity of all other steps. Where a few frames only are left out of a regular
    clock by an encoder that saw no change, the file looks just as if they were lost.

    Args:
        stamps: of all packets, units of the stream, in the order of decoding.
        group_starts: places of the key packets among them, ascending.
        damaged: whether something else speaks for damage; many gaps are believed then.
        longest: longest gap; a longer step is a jump of the clock.
    """
    times, places = np.unique(np.asarray(stamps, dtype=np.int64), return_index=True)
    steps = np.diff(times)
    if len(steps) < _LEAST_STEPS:
        return []
    usual = float(np.median(steps))
    counts = np.rint(steps / usual)
    odd = np.abs(steps - counts * usual) > np.maximum(1.5, _TOLERANCE * counts * usual)
    wide = (counts >= 2) & ~odd
    most = len(steps) * (_MOST_GAPS_IF_DAMAGED if damaged else _MOST_GAPS)
    if odd.mean() > _MOST_ODD or wide.sum() > max(_FEW_GAPS, most) or wide.mean() > _MOST_WIDE:
        return []
    if not damaged and wide.sum() > 1:
        wide &= counts > _SEVERAL
    ends = np.append(np.asarray(group_starts, dtype=np.int64), len(stamps))
    group_ends = ends[np.searchsorted(ends, places[1:], side="right")]
    # a copy that ends in the order of decoding lacks the frames that come last in it
    reordered = np.max(np.searchsorted(times, stamps) - np.arange(len(stamps)))
    cut = (counts - 1 <= reordered) & (group_ends - places[1:] <= reordered)
    for each in np.flatnonzero(cut):
        place, end = int(places[each + 1]), int(group_ends[each])
        highest = max(stamps[max(0, place - reordered) : place + 1])
        cut[each] = max(stamps[place:end]) <= highest  # what went on after the gap was not cut off
    holes = np.flatnonzero(wide & (steps <= longest) & ~cut)
    return [Gap(int(times[p]), int(counts[p]) - 1) for p in holes]


_FEW_GAPS = 4
"""So few are always believed."""
_SEVERAL = 3
"""Steps of so many frames, where they come more than once and nothing else speaks for damage, are
thought to be left out by an encoder that saw no change."""
_LEAST_STEPS = 8
"""Fewest steps that a regular clock is told by."""
_TOLERANCE = 0.06
"""Part by which a step may miss a multiple of the usual one."""
_MOST_ODD = 0.02
_MOST_GAPS = 0.03
_MOST_GAPS_IF_DAMAGED = 0.3
_MOST_WIDE = 0.25
"""Shares of steps."""


def regular_step(steps: Collection[int]) -> float | None:
    """Return the usual one of some steps if nearly all are like it, else None."""
    if len(steps) < _LEAST_STEPS:
        return None
    values: NDArray[np.int64] = np.fromiter(steps, dtype=np.int64)
    usual = float(np.median(values))
    alike = np.abs(values - usual) <= max(1.5, 0.25 * usual)
    return usual if alike.mean() >= _ALIKE else None


_ALIKE = 0.8
"""Share of like steps in a regular clock."""
