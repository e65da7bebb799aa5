"""The size of a Matroska or WebM file's tags, from the heads of its elements alone (RFC 8794).

FFmpeg compares each tag with all before it while it opens a file, so that many take a time that
grows with the square of their number, and cannot be stopped in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unmask.core.errors import LimitExceeded
from unmask.core.settings import Limits

_HEAD, _SEGMENT, _TAGS = 0x1A45DFA3, 0x18538067, 0x1254C367
_CLUSTER = 0x1F43B675
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_SIMPLE_TAG = b"\x67\xc8"
_MOST_ELEMENTS = 1_000_000
"""More than this are not looked at."""


def check_tags(path: str | Path, limits: Limits) -> None:
    """Refuse a Matroska file with far more tags than anyone writes; any other is passed over.

    Raises:
        LimitExceeded: more bytes of tags, or more tags, than allowed.
    """
    size = count = 0
    with Path(path).open("rb") as file:
        for place, length in _places_of_tags(file):
            size += length
            if size > limits.max_tag_bytes:
                raise _too_many(path, f"{size} bytes of tags", limits.max_tag_bytes)
            file.seek(place)
            count += file.read(length).count(_SIMPLE_TAG)
    if count > limits.max_tags:
        raise _too_many(path, f"{count} tags", limits.max_tags)


def _too_many(path: str | Path, what: str, most: int) -> LimitExceeded:
    return LimitExceeded(
        f"{str(path)!r} has {what}; at most {most} allowed",
        hint="copy its streams into a file without tags, and keep the original",
    )


def _places_of_tags(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield place and length of the contents of a file's tags, each once.

    They may stand among the other elements, or anywhere that an index of elements points to.
    """
    if _number(file, marked=True) != _HEAD:
        return
    end = file.seek(0, 2)
    file.seek(0)
    pointed: set[int] = set()
    seen: set[int] = set()
    segment = 0
    for kind, size in _elements(file, end):
        place = file.tell()
        if kind == _SEGMENT:
            segment = place
        elif kind == _SEEK_HEAD:
            pointed |= {segment + each for each in _pointers(file, place + size)}
        elif kind == _TAGS:
            seen.add(place)
            yield place, size
        file.seek(place)
    for element in sorted(each for each in pointed if each < end):
        file.seek(element)
        if _number(file, marked=True) != _TAGS:
            continue
        length, place = _number(file, marked=False), file.tell()
        if length and place not in seen:
            yield place, min(length, end - place)


def _pointers(file: IO[bytes], end: int) -> Iterator[int]:
    """Yield the positions, from the segment's content, that an index says tags are at."""
    for kind, size in _elements(file, end):
        if kind != _SEEK:
            continue
        place, of_tags, position = file.tell(), False, 0
        for field, length in _elements(file, place + size):
            value = int.from_bytes(file.read(min(length, 8)), "big")
            of_tags = of_tags or (field == _SEEK_ID and value == _TAGS)
            position = value if field == _SEEK_POSITION else position
            file.seek(file.tell() - min(length, 8))
        file.seek(place)
        if of_tags:
            yield position


def _elements(file: IO[bytes], end: int) -> Iterator[tuple[int, int]]:
    """Yield kind and size of the elements up to `end`, or to one whose size is not stated.

    While one is handled the file stands at its content, where it has to stand again afterwards. A
    segment comes with no size: its elements follow.
    """
    for _ in range(_MOST_ELEMENTS):
        if file.tell() >= end or (kind := _number(file, marked=True)) is None:
            return
        size = _number(file, marked=False)
        if kind == _SEGMENT:
            yield kind, 0
            continue
        if size is None:
            return
        yield kind, size
        if file.tell() + size > end:  # no system goes to any place that a file names
            return
        file.seek(size, 1)


def elements_in_clusters(file: IO[bytes]) -> Iterator[tuple[int, int, int | None]]:
    """Yield place, kind and size of what a file's first segment and its clusters hold, in order.

    Segments and clusters come as elements of no size, since what they hold follows; None is a size
    that is not stated. While an element is handled, the file stands at its content.
    """
    end = None
    for _ in range(_MOST_ELEMENTS):
        place = file.tell()
        if end is not None and place >= end:
            return
        kind = _number(file, marked=True)
        size = _number(file, marked=False)
        if kind is None:
            if place < file.seek(0, 2):  # a zero byte begins no element
                yield place, 0, None
            return
        if kind == _SEGMENT:
            end = None if size is None else file.tell() + size
        if kind in (_SEGMENT, _CLUSTER):
            yield place, kind, 0
            continue
        content = file.tell()
        yield place, kind, size
        if size is None:
            return
        file.seek(content + size)


def _number(file: IO[bytes], *, marked: bool) -> int | None:
    """Read a number of variable length, with or without its marker; None at the end, or unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    data = first + file.read(more)
    number = int.from_bytes(data, "big")
    if marked:
        return number
    mask = (1 << 7 * len(data)) - 1
    return None if number & mask == mask else number & mask
