"""What is in the units of coded pictures: data that was overwritten, and pictures without heirs.

The first is a check that FFmpeg's decoders do not make.

Three zero bytes in a row never occur inside a unit of these codecs: encoders put a byte between, or
choose codes that have no such run. Where they do, the data was overwritten (a lost sector, an
interrupted download), and the decoder often shows something for it without a word.

Source: ITU-T H.264, 7.4.1, and H.265, 7.4.2; ISO/IEC 11172-2, 2.4.1, and 13818-2, 6.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Byte of the decoder configuration whose lowest two bits say how long the lengths are."""
_FORBIDDEN = re.compile(rb"\x00\x00[\x00\x02](?s:.)")
"""With a byte behind it: not at the very end, where zeros may fill up and are taken off."""
_FORBIDDEN_BETWEEN_MARKS = re.compile(rb"\x00\x00\x00[^\x00\x01]|\x00\x00\x02")
"""In a stream of units with start marks, which begin with zeros themselves."""
_LONG_ZEROS = re.compile(rb"\x00\x00\x00[^\x00\x01]")
_PICTURE_HEADER = b"\x00\x00\x01\x00"
_MPEG_VIDEO = ("mpeg1video", "mpeg2video")
_EXTENSION = re.compile(rb"\x00\x00\x01\xb5[\x80-\x8f](?s:.)(?s:(.))")
"""The coding extension of an MPEG-2 picture, and the byte that ends in its structure."""
_WHOLE_FRAME = 3


def is_overwritten(codec: str, configuration: bytes | None, data: bytes) -> bool:
    """Tell whether a packet holds what its codec never writes; False for other codecs.

    Args:
        codec: FFmpeg's name of it.
        configuration: the decoder configuration from the container.
        data: the packet.
    """
    if b"\0\0" not in data:
        return False
    if codec in _MPEG_VIDEO:
        return _LONG_ZEROS.search(data) is not None or _holds_two_pictures(data)
    if codec not in _LENGTH_AT:
        return False
    if not configuration or configuration[0] != 1 or len(configuration) <= _LENGTH_AT[codec]:
        return _FORBIDDEN_BETWEEN_MARKS.search(data) is not None
    units = _units(data, _length_bytes(codec, configuration))
    # zeros are taken off and not looked behind for: that would cost their number squared
    return any(_FORBIDDEN.search(data[unit].rstrip(b"\0")) for unit in units)


def is_disposable(codec: str, configuration: bytes | None, data: bytes) -> bool:
    """Tell whether no other picture is predicted from the one in a packet.

    False where that is not known: other codecs, and streams of units with start marks.

    Args:
        codec: FFmpeg's name of it.
        configuration: the decoder configuration from the container.
        data: the packet.

    Source: ITU-T H.264, 7.4.1 (`nal_ref_idc`); H.265, table 7-1: a picture of such a type may still
    be referred to by those of higher temporal layers, so only the highest counts.
    """
    if not configuration or configuration[0] != 1:
        return False
    if codec not in _LENGTH_AT or len(configuration) <= _LENGTH_AT[codec]:
        return False
    disposable = False
    for unit in _units(data, _length_bytes(codec, configuration)):
        head = data[unit.start : min(unit.start + 2, unit.stop)]
        if len(head) < 2 or not _is_slice(codec, head):
            continue
        if not (_is_last_h264(head) if codec == "h264" else _is_last_hevc(head, configuration)):
            return False
        disposable = True
    return disposable


def _is_slice(codec: str, head: bytes) -> bool:
    return 1 <= head[0] & 31 <= 5 if codec == "h264" else head[0] >> 1 & 63 < 32


def _is_last_h264(head: bytes) -> bool:
    return head[0] >> 5 & 3 == 0


def _is_last_hevc(head: bytes, configuration: bytes) -> bool:
    kind, layer = head[0] >> 1 & 63, (head[1] & 7) - 1
    layers = configuration[_LENGTH_AT["hevc"]] >> 3 & 7
    return kind < 16 and kind % 2 == 0 and layer == layers - 1


def _holds_two_pictures(data: bytes) -> bool:
    """Tell whether a packet of MPEG-1 or MPEG-2 holds more than one frame; two fields are one."""
    headers = data.count(_PICTURE_HEADER)
    if headers < 2:
        return False
    structures = [structure[0] & 3 for structure in _EXTENSION.findall(data)]
    return headers > 2 or len(structures) < 2 or _WHOLE_FRAME in structures


def _length_bytes(codec: str, configuration: bytes) -> int:
    """Return how many bytes state the length of a unit."""
    return (configuration[_LENGTH_AT[codec]] & 3) + 1


def _units(data: bytes, size: int) -> Iterator[slice]:
    """Yield where each unit lies in a packet."""
    place = 0
    while place + size <= len(data):
        length = int.from_bytes(data[place : place + size], "big")
        yield slice(place + size, min(place + size + length, len(data)))
        place += size + length
