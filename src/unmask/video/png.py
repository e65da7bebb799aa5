"""What a PNG file holds of the rows and frames that it promises, counted without decoding them.

Decoders show a picture whose data ends early as if the rest were black, and say nothing; so do
they with data that fails its checksum. Here the compressed data of each frame is unpacked once in
small pieces, counted and thrown away (PNG specification, third edition).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from unmask.core.errors import LimitExceeded
from unmask.core.settings import Limits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DAMAGED = "rows that are damaged or do not fit their checksum"
"""How the reason begins where data is damaged and not only missing."""
_PIECE_BYTES = 2**16
_MOST_FAULTS = 5
"""Frames whose faults are named."""
_LARGEST_CHUNK_BYTES = 2**31 - 1
"""What the format allows."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel for a colour type."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 = (*_PASSES, (0, 1, 1, 2))
"""First column and row, and the steps between, of each pass of an interlaced picture."""


def check_chunks(file: IO[bytes], path: str | Path, limits: Limits) -> None:
    """Refuse a PNG file of far too many chunks, each of which costs time, or of an impossible one.

    Args:
        file: the file, read from where it stands; any other is passed over.
        path: what it is called in messages.
        limits: what is refused.

    Raises:
        LimitExceeded: more chunks beside those of the pictures than allowed, or a longer one.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return
    others = 0
    for kind, size, _ in _chunks(file):
        others += kind not in (b"IDAT", b"fdAT", b"fcTL")
        if size > _LARGEST_CHUNK_BYTES:  # Pillow would ask for so much memory at once
            raise LimitExceeded(
                f"{str(path)!r} has a chunk of {size} bytes; at most {_LARGEST_CHUNK_BYTES} are "
                "allowed in PNG",
                hint="it is damaged: get a complete copy",
            )
    if others > limits.max_tags:
        raise LimitExceeded(
            f"{str(path)!r} has {others} texts and tags; at most {limits.max_tags} allowed",
            hint="save it again without its metadata, and keep the original",
        )


def list_missing(file: IO[bytes]) -> tuple[str, ...]:
    """Return what is missing or damaged of a PNG file's pictures, a sentence part each.

    Args:
        file: the file, at its beginning.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return ("its beginning",)
    count = _Count()
    head, picture = b"", None
    for kind, size, content in _chunks(file):
        if kind == b"IHDR":
            head = content.read(min(size, 13))
        elif kind == b"acTL":
            count.promised = int.from_bytes(content.read(4), "big")
        elif kind == b"fcTL" and count.promised is not None:
            count.finish(picture)
            width, height = struct.unpack(">4xII", content.read(12).ljust(12, b"\0"))
            picture = _Picture(_passes(head, width, height))
        elif kind in (b"IDAT", b"fdAT"):
            if picture is None:
                # before an animation it is for programs that show no animations
                picture = _Picture(_passes(head, *struct.unpack(">II", head[:8])))
                picture.is_shown = count.promised is None
            content.read(4 if kind == b"fdAT" else 0)
            picture.take(content, size - 4 * (kind == b"fdAT"))
    count.finish(picture)
    return tuple(count.reasons())


@dataclass
class _Count:
    """What the pictures of a file lack so far; a file may hold millions."""

    promised: int | None = None
    """Frames of the animation; None where there is none."""
    seen: int = 0
    """Frames."""
    begun: int = 0
    """Frames of which something is there."""
    faults: list[str] = field(default_factory=list)
    """The first few."""
    more: int = 0
    """Frames with others."""

    def finish(self, picture: _Picture | None) -> None:
        """Count a picture all of whose data was taken."""
        if picture is None or not picture.is_shown:
            return
        self.seen += 1
        self.begun += picture.got > 0
        where = "" if self.promised is None else f" in frame {self.seen} of the animation"
        if picture.damaged:  # how many rows came before is not known
            self._keep(f"{DAMAGED}{where}")
        elif picture.rows_missing:
            self._keep(f"{picture.rows_missing} of {picture.rows} rows missing{where}")

    def _keep(self, fault: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.more += 1

    def reasons(self) -> Iterator[str]:
        """Yield what is missing or damaged."""
        yield from self.faults
        if self.more:
            yield f"rows of {self.more} more frames"
        if self.promised is not None and self.begun < self.promised:
            lost = f"{self.promised - self.begun} of {self.promised} frames"
            yield f"{lost} of the animation are missing"


@dataclass
class _Picture:
    """One frame's rows, and how much data for them there was."""

    passes: list[tuple[int, int]]
    """Rows, and the bytes of each unpacked with its filter byte; interlaced pictures have seven."""
    got: int = 0
    """Bytes that were there."""
    damaged: bool = False
    """Whether the data breaks off or fails its checksum."""
    is_shown: bool = True
    """Whether it is the picture, or a frame of the animation."""
    _unpack: zlib._Decompress = field(default_factory=zlib.decompressobj)

    @property
    def rows(self) -> int:
        """Rows of all passes."""
        return sum(count for count, _ in self.passes)

    @property
    def rows_missing(self) -> int:
        """Rows that have not all their bytes."""
        left, there = self.got, 0
        for count, size in self.passes:
            full = min(count, left // size)
            left -= full * size
            there += full
            if full < count:
                break
        return self.rows - there

    def take(self, content: IO[bytes], size: int) -> None:
        """Count what is in the next `size` bytes; no more than the rows take, and the checksum."""
        enough = sum(count * size for count, size in self.passes)
        while size > 0 and (piece := content.read(min(size, _PIECE_BYTES))):
            size -= len(piece)
            while piece and self.got <= enough and not self.damaged and not self._unpack.eof:
                try:
                    self.got += len(self._unpack.decompress(piece, 16 * _PIECE_BYTES))
                except zlib.error:
                    self.damaged = True
                piece = self._unpack.unconsumed_tail


def _passes(head: bytes, width: int, height: int) -> list[tuple[int, int]]:
    """Return the rows of each pass of a picture, and the bytes of each with its filter byte."""
    if len(head) < 13:
        return []
    whole_width, whole_height = struct.unpack(">II", head[:8])
    width, height = min(width, whole_width), min(height, whole_height)
    bits = head[8] * _CHANNELS.get(head[9], 1)
    grids = _ADAM7 if head[12] else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in grids]
    return [
        (rows, 1 + (columns * bits + 7) // 8) for columns, rows in sizes if min(columns, rows) > 0
    ]


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, IO[bytes]]]:
    """Yield kind, size and the file at the content of each chunk; what is not read is jumped."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        after = file.tell() + size + 4
        yield kind, size, file
        if kind == b"IEND":
            return
        file.seek(after)
