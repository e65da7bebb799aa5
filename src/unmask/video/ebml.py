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
    file.seek(0)
    while (kind := _number(file, marked=True)) is not None:
        size = _number(file, marked=False)
        if kind == _SEGMENT:
            continue  # its elements follow
        if size is None:
            return
        yield kind, size
        file.seek(size, 1)


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
