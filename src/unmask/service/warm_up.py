"""The first scan: it shows that a file can be read, and that the detector can be loaded."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

from unmask.service.scans import scan_file
from unmask.service.settings import ServiceSettings

_SIDE_PX = 64


def scan_a_picture(settings: ServiceSettings) -> str | None:
    """Scan a grey picture in a process of its own; return what went wrong, None if nothing did."""
    with tempfile.TemporaryDirectory(prefix="unmask-", dir=settings.data) as folder:
        picture = Path(folder) / "media"
        picture.write_bytes(_grey_png(_SIDE_PX))
        try:
            outcome = scan_file(
                picture,
                "first scan",
                Path(folder) / "result",
                detector=settings.detector,
                listen=lambda _stage, _share: None,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
            return f"{type(error).__name__}: {error}"
    return outcome.error


def _grey_png(side_px: int) -> bytes:
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    rows = (b"\x00" + b"\x80" * side_px) * side_px
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
