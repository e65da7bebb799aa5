"""The numbers of the objects (pictures, pieces of sound) in an ASF or WMV file.

A demuxer passes over packets that are damaged, and over what began in them, without a word. Each
object of a stream bears a number one higher than the one before; here they are counted from the
heads of the payloads alone (Advanced Systems Format, revision 01.20.05, section 5.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""Identifier of the properties of a file, which hold its size."""
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_DATA_HEAD_BYTES = 50
_HEADER_BYTES = 2**16
_BROADCAST = 1
_COMPRESSED = 1
"""Length of what stands before a payload of several small objects."""
_MOST_PACKETS = 1_000_000
"""More are not looked at."""
_FIELD_BYTES = (0, 1, 2, 4)
"""Length of a field by the two bits that state it."""


def asf_fault(file: IO[bytes]) -> str | None:
    """Return what shows that objects of a file's streams are missing; None where nothing does.

    Args:
        file: the file, from anywhere.
    """
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    properties, data = header.find(FILE_PROPERTIES), header.find(_DATA)
    if properties < 0 or data < 0 or len(header) < max(properties + 100, data + 48):
        return None
    flags, least, size = struct.unpack_from("<III", header, properties + 88)
    (promised,) = struct.unpack_from("<Q", header, data + 40)
    # the format asks for packets of one size, and lets a broadcast say no number of them
    if size != least or not size or flags & _BROADCAST:
        return None
    file.seek(data + _DATA_HEAD_BYTES)
    latest: dict[int, _Object] = {}
    for number in range(min(promised, _MOST_PACKETS)):
        packet = file.read(size)
        if len(packet) < size:
            return f"{promised - number} of {promised} packets are missing"
        try:
            for stream, part in _payloads(packet):
                latest[stream] = part.after(latest.get(stream))
        except _OtherNumbersError:
            return None
        except (IndexError, ValueError) as error:
            return f"packet {number + 1} of {promised} is damaged: {error}"
    if any(each.got < each.size for each in latest.values()):
        return "its last object is not complete"
    return None


class _OtherNumbersError(Exception):
    """Several small objects in a payload, which are numbered otherwise."""


@dataclass
class _Object:
    """A picture or a piece of sound, as far as it was seen."""

    number: int
    """Of its stream, modulo 256."""
    size: int
    """Its bytes; 0 where that is not stated."""
    got: int
    """Bytes that were there."""

    def after(self, before: _Object | None) -> _Object:
        """Return the object as far as it is seen now, with this part of it.

        Raises:
            ValueError: something between the two is missing.
        """
        step = 0 if before is None else (self.number - before.number) % 256
        if step > 1:
            raise ValueError(f"{step - 1} objects of a stream are missing")
        if before is None:
            return self
        if step == 0:
            return _Object(self.number, self.size, before.got + self.got)
        if before.got < before.size:
            raise ValueError("an object before it is not complete")
        return self


def _payloads(packet: bytes) -> Iterator[tuple[int, _Object]]:
    """Yield the stream of each payload of a packet, and the object that it is a part of.

    Raises:
        IndexError: it holds no such payloads.
        _OtherNumbersError: it holds several objects in one.
    """
    place = 1 + (packet[0] & 0x0F) if packet[0] & 0x80 else 0
    lengths, fields = packet[place], packet[place + 1]
    place += 2
    for shift in (5, 1, 3):  # length of the packet, sequence, padding
        place += _FIELD_BYTES[lengths >> shift & 3]
    place += 6  # time and duration
    count, size_bits = 1, 0
    if lengths & 1:
        count, size_bits = packet[place] & 0x3F, packet[place] >> 6
        place += 1
    if not count or fields >> 4 & 3 == 0:
        raise IndexError("it holds nothing")
    for _ in range(count):
        stream, place = packet[place] & 0x7F, place + 1
        object_number, place = _field(packet, place, fields >> 4)
        _, place = _field(packet, place, fields >> 2)
        replicated, place = _field(packet, place, fields)
        if replicated == _COMPRESSED:
            raise _OtherNumbersError
        size = int.from_bytes(packet[place : place + 4], "little") if replicated >= 8 else 0
        place += replicated
        content = len(packet)
        if lengths & 1:
            content, place = _field(packet, place, size_bits)
            place += content or len(packet)  # an empty one is none
        if stream == 0 or place > len(packet):
            raise IndexError("it holds more than its size")
        yield stream, _Object(object_number % 256, size, content)


def _field(packet: bytes, place: int, bits: int) -> tuple[int, int]:
    """Return the value of a field whose length two bits state, and the place behind it."""
    length = _FIELD_BYTES[bits & 3]
    if place + length > len(packet):
        raise IndexError("it holds more than its size")
    return int.from_bytes(packet[place : place + length], "little"), place + length
