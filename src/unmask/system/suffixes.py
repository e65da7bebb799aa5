"""Which files of a folder are videos and pictures, by their names: one list for all commands.

What a file is is found out when it is opened; a file that is named itself is opened whatever it is
called.
"""

from __future__ import annotations

_ANIMATIONS = "gif apng"
_VIDEOS = (
    "mp4 m4v mov qt f4v 3gp 3g2 mj2 mkv webm avi divx wmv asf flv swf rm rmvb ogv ogg ogm "
    "mpg mpeg mpe m1v m2v vob ts mts m2ts m2t mxf gxf wtv dv nut y4m ivf obu h261 h263 "
    f"h264 264 avc h265 265 hevc {_ANIMATIONS}"
)
_PICTURES = "jpg jpeg jpe jfif mpo png webp bmp tif tiff avif avifs heic heif hif"


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


VIDEO_SUFFIXES = _suffixes(_VIDEOS)
"""Suffixes of videos and animations, in small letters."""
PICTURE_SUFFIXES = _suffixes(_PICTURES)
"""Suffixes of still pictures, in small letters."""
MEDIA_SUFFIXES = VIDEO_SUFFIXES | PICTURE_SUFFIXES
"""All of them."""


def is_sidecar(name: str) -> bool:
    """Tell by its name whether a file is what macOS puts beside another (AppleDouble): no media."""
    return name.startswith("._")
