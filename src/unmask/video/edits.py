"""Whether the edit lists of an MP4 file fit the lengths of its tracks.

A clock whose unit is damaged makes a track a thousandth as long: a demuxer then hides what the edit
list does not reach, as it would of a trimmed clip, and says nothing. An edit list that shows more
than there is tells the two apart (ISO/IEC 14496-12, 8.2.2, 8.4.2 and 8.6.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

BOX_HEAD_BYTES = 8
"""Length and kind of a box."""
_PARENTS = (b"moov", b"trak", b"mdia", b"edts")
_MOST_BYTES = 2**16
"""Of an edit list; real ones have a few entries."""
_MOST_BOXES = 10_000
_MOST_DEPTH = 10
"""Deepest box that is looked into; real ones are three deep."""
_LEAST_SECONDS = 0.5
_LEAST_RATIO = 1.5
"""An edit list shows more than there is where it exceeds the track's length by both: recorders
round, and hold the last picture."""


_PICTURE_SECONDS = 0.005
"""No picture of a film is shown for so short a time."""


@dataclass
class _Track:
    """Lengths of a track, seconds."""

    length: float = 0.0
    """What its own header states; 0 where it states nothing."""
    shown: float = 0.0
    """What its edit list shows of it; 0 where it has none."""

    @property
    def is_impossible(self) -> bool:
        """Whether more is shown than there is, or less than a picture."""
        excess = self.shown - self.length
        too_much = excess > max(_LEAST_SECONDS, _LEAST_RATIO * self.length)
        return self.length > 0 and (too_much or 0 < self.shown < min(_PICTURE_SECONDS, self.length))


def edit_fault(file: IO[bytes], size: int) -> str | None:
    """Return what shows that the clock of a track is damaged; None where nothing does.

    Args:
        file: the file, from anywhere.
        size: its length, bytes.
    """
    unit, track = 0, _Track()
    for kind, content in _boxes(file, 0, size):
        if kind == b"mvhd":
            unit = _lengths(content)[0]
        elif kind == b"trak":
            track = _Track()
        elif kind == b"mdhd":
            own, length = _lengths(content)
            if not own:
                return "the clock of a track is damaged: it has no unit"
            track.length = length / own
        elif kind == b"elst" and unit:
            track.shown = _shown(content) / unit
        if track.is_impossible:
            return (
                f"an edit list shows {track.shown:.3f} s of a track of {track.length:.3f} s: the "
                "clock of one is damaged"
            )
    return None


def _boxes(
    file: IO[bytes], place: int, end: int, *, depth: int = 0
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes that matter, with their content (that of parents is empty: it follows)."""
    if depth > _MOST_DEPTH:
        return
    for _ in range(_MOST_BOXES):
        if place + BOX_HEAD_BYTES > end:
            return
        kind, length, _ = read_box(file, place)
        if length < BOX_HEAD_BYTES:
            return
        if kind in _PARENTS:
            yield kind, b""
            yield from _boxes(
                file, place + BOX_HEAD_BYTES, min(end, place + length), depth=depth + 1
            )
        elif kind in (b"mvhd", b"mdhd", b"elst"):
            file.seek(place + BOX_HEAD_BYTES)
            content = min(length, end - place) - BOX_HEAD_BYTES
            yield kind, file.read(max(0, min(content, _MOST_BYTES)))
        place += length


def read_box(file: IO[bytes], place: int) -> tuple[bytes, int, bytes]:
    """Return kind, length and first bytes of a box."""
    file.seek(place)
    head = file.read(24)
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return head[4:8], length, head


def _lengths(content: bytes) -> tuple[int, int]:
    """Return units per second and length of a header, 0 where that is unknown."""
    wide = content[:1] == b"\1"
    place, width = (20, 8) if wide else (12, 4)
    unit = int.from_bytes(content[place : place + 4], "big")
    length = int.from_bytes(content[place + 4 : place + 4 + width], "big")
    return unit, 0 if length == (1 << 8 * width) - 1 else length


def _shown(content: bytes) -> int:
    """Return the sum of what an edit list shows, pauses left out, units of the film."""
    width = 8 if content[:1] == b"\1" else 4
    total, size = 0, 2 * width + 4
    for place in range(8, len(content) - size + 1, size):
        start = int.from_bytes(content[place + width : place + 2 * width], "big", signed=True)
        if start >= 0:
            total += int.from_bytes(content[place : place + width], "big")
    return total
