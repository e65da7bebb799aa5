"""What an upload is, by its first bytes: its name and what the sender says of it count for nothing.

Only files that look like a video or a picture are accepted. Whether one can be analysed is found
out in the process that scans it; no decoder runs here.
"""

from __future__ import annotations

HEAD_BYTES = 512
"""How much of a file is looked at."""
_TS_PACKET = 188
_ISO_PICTURES = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"avif": "image/avif",
    b"avis": "image/avif",
}
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"OggS", "video/ogg"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"YUV4MPEG2 ", "video/x-yuv4mpeg"),
    (b".RMF", "application/vnd.rn-realmedia"),
    (b"DKIF", "video/x-ivf"),
    (b"\x06\x0e\x2b\x34", "application/mxf"),
)


def media_type(head: bytes) -> str | None:
    r"""Return the type of a video or picture, None for anything else.

    Args:
        head: the file's first `HEAD_BYTES` bytes.

    >>> media_type(b"\x00\x00\x00\x18ftypmp42"), media_type(b"<html>")
    ('video/mp4', None)
    """
    if head[:4] == b"RIFF":
        return {b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand == b"qt  ":
            return "video/quicktime"
        return _ISO_PICTURES.get(brand, "video/mp4")
    if head[4:8] in _ISO_BOXES:
        return "video/quicktime"
    if head[:1] == b"\x47" and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        return "video/mp2t"
    return next((kind for start, kind in _STARTS if head.startswith(start)), None)
