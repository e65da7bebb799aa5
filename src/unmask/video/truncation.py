"""Whether a file was cut off or torn, by what its container writes between and after the frames.

For containers that say nothing of their length in frames or seconds.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.video.asf import FILE_PROPERTIES
from unmask.video.structure import why_broken

_TS_PACKET = 188
_TS_MARK = ord("G")
_UNIT = b"\x00\x00\x01"
"""What a unit of a stream (a picture, as a rule) begins with in a transport stream."""
_PACKETS_AT_ONCE = 10_000
"""Packets that are in memory at a time, 1.9 MB."""
_OGG_TAIL = 70_000
"""More bytes than a page of Ogg has."""
_OGG_PAGE = b"OggS"
_OGG_LAST = 0x04
"""Flag of the last page of a stream."""
_RIFF_UNKNOWN = 2**32
"""A length that was never filled in."""
_SEGMENT = b"\x18\x53\x80\x67"
"""Identifier of a Matroska segment."""


def why_cut_off(path: str | Path, container: str) -> str | None:
    """Return what shows that the end, or a part, of a file is missing; None where nothing does."""
    if broken := why_broken(path, container):
        return broken
    if container == "mpegts":
        if count := _packets_without_mark(Path(path)):
            return f"{count} transport packets are damaged"
        if count := _units_without_mark(Path(path)):
            return f"the beginning of {count} pictures is damaged"
    for name, look in _LOOKS.items():
        if name in container.split(","):
            with Path(path).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                head = file.read(4096)
                file.seek(max(0, size - _OGG_TAIL))
                return look(size, head, file.read(_OGG_TAIL))
    return None


def _packets_without_mark(path: Path) -> int:
    """Count the transport packets that do not begin with their mark."""
    count = marked = 0
    for rows in _transport_packets(path):
        count += len(rows)
        marked += int(np.count_nonzero(rows[:, 0] == _TS_MARK))
    # where marks are rare the packets have another length (of a disc, or with checksums)
    return count - marked if marked > count // 2 else 0


def _units_without_mark(path: Path) -> int:
    """Count the packets that should begin a unit of a stream, and do not.

    A demuxer passes over them, and with them over a picture. Source: ISO/IEC 13818-1, 2.4.3.
    """
    marked: dict[int, int] = defaultdict(int)
    unmarked: dict[int, int] = defaultdict(int)
    for rows in _transport_packets(path):
        begins = (rows[:, 0] == _TS_MARK) & (rows[:, 1] & 0x40 > 0) & (rows[:, 3] & 0xD0 == 0x10)
        for packet in rows[begins]:
            content = 5 + int(packet[4]) if packet[3] & 0x20 else 4
            counts = marked if bytes(packet[content : content + 3]) == _UNIT else unmarked
            counts[(int(packet[1]) & 0x1F) << 8 | int(packet[2])] += 1
    # tables begin otherwise, on identifiers of their own
    return sum(count for stream, count in unmarked.items() if count < marked[stream])


def _transport_packets(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield rows of a file of transport packets, `(N, 188)`, some at a time."""
    with path.open("rb") as file:
        while packets := file.read(_PACKETS_AT_ONCE * _TS_PACKET):
            whole = len(packets) // _TS_PACKET
            yield np.frombuffer(packets, np.uint8, whole * _TS_PACKET).reshape(whole, _TS_PACKET)


def _transport_stream(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    if head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G" and size % _TS_PACKET:
        return "it ends within a transport packet"
    return None


def _png(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    return None if b"IEND" in tail else "its end mark is missing"


def _ogg(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    last = tail.rfind(_OGG_PAGE)
    if last < 0 or len(tail) < last + 6:
        return "its last page is missing"
    return None if tail[last + 5] & _OGG_LAST else "its last page is missing"


def _riff(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    if len(head) < 8 or head[:4] != b"RIFF":
        return None
    promised = int(struct.unpack("<I", head[4:8])[0]) + 8
    if promised <= size + 1 or promised > _RIFF_UNKNOWN:
        return None
    return f"{promised - size} bytes of {promised} are missing"


def _matroska(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    """Compare the length of the segment, where it is known, with the file's."""
    start = head.find(_SEGMENT)
    if start < 0 or len(head) < start + 12:
        return None
    first = head[start + 4]
    length = 9 - first.bit_length()  # the leading zeros say how long the number is
    raw = int.from_bytes(head[start + 4 : start + 4 + length], "big")
    value = raw & ((1 << 7 * length) - 1)
    if length > 8 or value == (1 << 7 * length) - 1:  # unknown, as live recordings have it
        return None
    promised = start + 4 + length + value
    return f"{promised - size} bytes of {promised} are missing" if promised > size else None


def _asf(size: int, head: bytes, tail: bytes) -> str | None:  # noqa: ARG001
    place = head.find(FILE_PROPERTIES)
    if place < 0 or len(head) < place + 48:
        return None
    promised = int(struct.unpack("<Q", head[place + 40 : place + 48])[0])
    return f"{promised - size} bytes of {promised} are missing" if promised > size else None


_LOOKS = {
    "asf": _asf,
    "mpegts": _transport_stream,
    "apng": _png,
    "ogg": _ogg,
    "avi": _riff,
    "webp_anim": _riff,
    "matroska": _matroska,
}
