"""The size of a Matroska or WebM file's tags, from the heads of its elements alone (RFC 8794).

FFmpeg compares each tag with all before it while it opens a file, so that many take a time that
grows with the square of their number, and cannot be stopped in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unmask.errors import LimitExceeded
from unmask.settings import Limits

_HEAD, _SEGMENT, _TAGS = 0x1A45DFA3, 0x18538067, 0x1254C367
_CLUSTER = 0x1F43B675
_MOST_ELEMENTS = 1_000_000
"""More than this are not looked at."""


def check_tags(path: str | Path, limits: Limits) -> None:
    """Refuse a Matroska file with far more tags than anyone writes; any other is passed over.

    Raises:
        LimitExceeded: more bytes of tags than allowed.
    """
    with Path(path).open("rb") as file:
        size = sum(size for kind, size in _elements(file) if kind == _TAGS)
    if size > limits.max_tag_bytes:
        raise LimitExceeded(
            f"{str(path)!r} has {size} bytes of tags; at most {limits.max_tag_bytes} allowed",
            hint="copy its streams into a file without tags, and keep the original",
        )


def _elements(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield kind and size of a file's segments' elements, up to one whose size is not stated."""
    first = _number(file, marked=True)
    if first != _HEAD:
        return
    end = file.seek(0, 2)
    file.seek(0)
    while (kind := _number(file, marked=True)) is not None:
        size = _number(file, marked=False)
        if kind == _SEGMENT:
            continue  # its elements follow
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
