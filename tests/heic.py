"""HEIC files for tests: the boxes alone, without the coded pictures that they speak of."""

from __future__ import annotations

import struct
from pathlib import Path

GRID_ID = 1000


def _box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _full(kind: bytes, version: int, *content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24), *content)


def write_tiled_heic(path: Path, *, tiles: int, side_px: int = 64, thumbnail: bool = False) -> Path:
    """Write a picture that is a row of square HEVC tiles, as phones do it (ISO/IEC 23008-12)."""
    numbers = list(range(1, tiles + thumbnail + 1))
    grid = struct.pack(">BBBBHH", 0, 0, 0, tiles - 1, tiles * side_px, side_px)
    kinds = [(n, b"hvc1") for n in numbers] + [(GRID_ID, b"grid")]
    entries = [_full(b"infe", 2, struct.pack(">HH4sx", n, 0, kind)) for n, kind in kinds]
    parts = struct.pack(f">HH{tiles}H", GRID_ID, tiles, *numbers[:tiles])
    codec = _box(b"hvcC", bytes([1]), bytes(22))
    size = _full(b"ispe", 0, struct.pack(">II", side_px, side_px))
    whole = _full(b"ispe", 0, struct.pack(">II", tiles * side_px, side_px))
    shapes = [struct.pack(">HBBB", n, 2, 1, 3 if n == GRID_ID else 2) for n, _ in kinds]
    places = [struct.pack(">4HII", n, 0, 0, 1, 0, 8) for n in numbers]
    places.append(struct.pack(">4HII", GRID_ID, 1, 0, 1, 0, len(grid)))
    meta = _full(
        b"meta",
        0,
        _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
        _full(b"pitm", 0, struct.pack(">H", GRID_ID)),
        _full(b"iloc", 1, struct.pack(">BBH", 0x44, 0, len(places)), *places),
        _full(b"iinf", 0, struct.pack(">H", len(entries)), *entries),
        _full(b"iref", 0, _box(b"dimg", parts)),
        _box(
            b"iprp",
            _box(b"ipco", codec, size, whole),
            _full(b"ipma", 0, struct.pack(">I", len(shapes)), *shapes),
        ),
        _box(b"idat", grid),
    )
    path.write_bytes(_box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta)
    return path
