"""Whether the parts of a file follow each other as its format demands.

A demuxer that meets bytes that begin no part looks for the next one that it knows, and says nothing
of what it passed over. Here the heads of the parts alone are read; the pictures are jumped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unmask.video.asf import asf_fault
from unmask.video.ebml import elements_in_clusters
from unmask.video.edits import BOX_HEAD_BYTES, edit_fault, read_box

_MOST_BOXES = 1_000_000
"""More parts of a file than this are not looked at."""
_PARENTS = (b"moof", b"traf")
"""Boxes of fragments that hold others."""

_MATROSKA_PARTS = frozenset(
    (
        *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469),
        *(0x1043A770, 0x1254C367, 0x1F43B675),  # the heads of sections
        *(0xA3, 0xA0, 0xE7, 0xA7, 0xAB, 0x5854, 0xAF, 0xEC, 0xBF),  # what a cluster holds
    )
)
"""Elements of a segment and its clusters (RFC 9559)."""

_FLV_METADATA_BYTES = 4096
_FLV_SIZE = b"filesize\x00"
"""Name of the file's own length among its metadata, before the number."""
_FLV_LARGEST = 2.0**40
_FLV_HEAD, _FLV_TAG_HEAD = 9, 11
_FLV_TAGS = (8, 9, 15, 18)
"""Sound, pictures, and two kinds of data."""

_SECTOR_BYTES = 2324
_PADDING_BYTES = 64
"""More zeros between two packets are no padding, but what a lost sector is filled up with."""
_PACK, _PROGRAM_END = 0xBA, 0xB9
_MARK = b"\x00\x00\x01"
"""What each part of a program stream begins with."""

_GIF_EXTENSION, _GIF_PICTURE, _GIF_END = 0x21, 0x2C, 0x3B


def why_broken(path: str | Path, container: str) -> str | None:
    """Return what shows that parts of a file are damaged or gone; None where nothing does."""
    names = container.split(",")
    with Path(path).open("rb") as file:
        if "mp4" in names:
            size = file.seek(0, 2)
            return next(_box_faults(file, size), None) or edit_fault(file, size)
        if "matroska" in names:
            return _matroska_fault(file)
        if "flv" in names:
            return _flv_fault(file)
        if "mpeg" in names:
            return _program_stream_fault(file)
        if "asf" in names:
            return asf_fault(file)
        return _gif_fault(file) if "gif" in names else None


_MOST_DEPTH = 10
"""Deepest box of a fragment's table; real ones have three."""
_TOP_BOXES = frozenset(
    b"ftyp styp moov moof mdat free skip wide uuid meta sidx ssix prft emsg mfra udta pdin".split()
)
"""Boxes that stand at the top of an MP4 file; something else is no part of it."""


def _box_faults(file: IO[bytes], size: int) -> Iterator[str]:
    """Walk the boxes of an MP4 file: fragments have numbers, and the last box fits."""
    number, is_mdat_due, place = None, True, 0
    for _ in range(_MOST_BOXES):
        if place + BOX_HEAD_BYTES > size:
            break
        kind, length, head = read_box(file, place)
        if kind == b"moof":
            before, number = number, _fragment_number(head, number)
            if before is not None and number is not None and number > before + 1:
                yield f"fragment {before + 1} is missing"
            yield from _inner_faults(file, place + BOX_HEAD_BYTES, place + length)
        if number is not None and not is_mdat_due and kind == b"mdat":
            yield "a fragment without its table"
        is_mdat_due = is_mdat_due if kind not in (b"moof", b"mdat") else kind == b"moof"
        if number is None and kind not in _TOP_BOXES:
            return  # a camera's trailer or the like; the sample table counts the frames
        if length < BOX_HEAD_BYTES:  # 0: up to the end of the file, which no fragment is
            if number is not None:
                yield f"a box of the fragments has {length} bytes"
            return
        place += length
    if place > size:
        yield f"{place - size} bytes of {place} are missing"


def _fragment_number(head: bytes, before: int | None) -> int | None:
    """Return the number in the head of a fragment; the one before where it has none."""
    return int.from_bytes(head[20:24], "big") if head[12:16] == b"mfhd" else before


def _inner_faults(file: IO[bytes], place: int, end: int, *, depth: int = 0) -> Iterator[str]:
    """Walk the boxes within the table of a fragment."""
    if depth > _MOST_DEPTH:
        yield "the table of a fragment is damaged: boxes in boxes without end"
        return
    begin, kinds = place, set()
    while place + BOX_HEAD_BYTES <= end:
        kind, length, head = read_box(file, place)
        kinds.add(kind)
        is_empty = kind == b"tfhd" and head[9:10] == b"\x01"  # its flag that no frames follow
        kinds |= {b"trun"} if is_empty else set()
        if length < BOX_HEAD_BYTES or place + length > end or not _is_name(kind):
            yield f"the table of a fragment is damaged at byte {place}"
            return
        if kind in _PARENTS:
            yield from _inner_faults(file, place + BOX_HEAD_BYTES, place + length, depth=depth + 1)
        place += length
    lists_none = b"tfhd" in kinds and b"trun" not in kinds
    if lists_none or (depth == 0 and not kinds >= {b"mfhd", b"traf"}):
        yield f"the table of a fragment is damaged: no frames are listed at byte {begin}"


def _is_name(kind: bytes) -> bool:
    return all(32 <= each < 127 or each == 0xA9 for each in kind)


def _matroska_fault(file: IO[bytes]) -> str | None:
    size = file.seek(0, 2)
    file.seek(0)
    place = 0
    for place, kind, length in elements_in_clusters(file):
        if kind not in _MATROSKA_PARTS:
            return f"its structure is damaged at byte {place}"
        if length is not None and file.tell() + length > size:
            return f"it ends within an element of {length} bytes"
    return None


def _flv_fault(file: IO[bytes]) -> str | None:
    """Walk the tags of an FLV file: after each its length is written once more."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(_FLV_METADATA_BYTES)
    if (named := head.find(_FLV_SIZE)) >= 0 and len(head) >= named + len(_FLV_SIZE) + 8:
        (promised,) = struct.unpack_from(">d", head, named + len(_FLV_SIZE))
        if size < promised < _FLV_LARGEST:
            return f"{promised - size:.0f} bytes of {promised:.0f} are missing"
    file.seek(5)
    place = int.from_bytes(file.read(4), "big") + 4
    if place < _FLV_HEAD + 4:
        return "its structure is damaged at byte 5"
    for _ in range(_MOST_BOXES):
        if place >= size:
            return None
        file.seek(place)
        head = file.read(_FLV_TAG_HEAD)
        end = place + _FLV_TAG_HEAD + int.from_bytes(head[1:4], "big")
        file.seek(end)
        length = int.from_bytes(file.read(4), "big")
        if end + 4 > size:
            return f"it ends within a tag, at byte {place}"
        # some recorders write no length, or that without the head
        lengths = (0, end - place, end - place - _FLV_TAG_HEAD)
        if head[0] & 0x1F not in _FLV_TAGS or length not in lengths:
            return f"its structure is damaged at byte {place}"
        place = end + 4
    return None


def _program_stream_fault(file: IO[bytes]) -> str | None:
    """Walk the packets of an MPEG program stream (ISO/IEC 11172-1 and 13818-1).

    Files that begin otherwise (of a Video CD, or cut) are not looked at.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != _MARK + bytes([_PACK]):
        return None
    place = 0
    for _ in range(_MOST_BOXES):
        place = _behind_padding(file, place)
        file.seek(place)
        head = file.read(14)
        if place >= size or head[:4] == _MARK + bytes([_PROGRAM_END]):
            return None
        if len(head) < 6:
            return "it ends within a packet"
        if head[:3] != _MARK or head[3] < _PACK:
            return f"its structure is damaged at byte {place}"
        if head[3] == _PACK:
            place += 14 + (head[-1] & 7) if head[4] >> 6 == 1 else 12
        elif length := int.from_bytes(head[4:6], "big"):
            place += 6 + length
        else:  # a packet up to the next that is found
            return None
        if place > size:
            return "it ends within a packet"
    return None


def _behind_padding(file: IO[bytes], place: int) -> int:
    """Return where the next packet begins: a Video CD fills up its sectors with zeros."""
    file.seek(place)
    head = file.read(_SECTOR_BYTES)
    zeros = len(head) - len(head.lstrip(b"\0"))
    if zeros == len(head) < _SECTOR_BYTES:  # up to the end of the file
        return place + zeros
    is_padding = 2 < zeros <= _PADDING_BYTES and head[zeros] == 1
    return place + zeros - 2 if is_padding else place


def _gif_fault(file: IO[bytes]) -> str | None:
    head = file.read(13)
    file.seek(_color_bytes(head[10:11]), 1)
    was_zero = False
    for _ in range(_MOST_BOXES):
        mark = file.read(1)
        if not mark:
            return "its end mark is missing"
        if mark[0] == _GIF_END:  # what follows is none of the picture's
            return None
        if mark[0] == _GIF_EXTENSION:
            file.seek(1, 1)
            _jump_blocks(file)
        elif mark[0] == _GIF_PICTURE:
            file.seek(_color_bytes(file.read(9)[8:]) + 1, 1)
            _jump_blocks(file)
        elif mark[0] or was_zero:  # some encoders write one zero too many
            return f"its structure is damaged at byte {file.tell() - 1}"
        was_zero = not mark[0]
    return None


def _color_bytes(flags: bytes) -> int:
    """Return the bytes of the table of colours that the flags before it announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _jump_blocks(file: IO[bytes]) -> None:
    while (size := file.read(1)) and size[0]:
        file.seek(size[0], 1)
