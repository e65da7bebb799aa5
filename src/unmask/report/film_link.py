"""Where a page shows the film from: a file beside it, the page itself, or nowhere.

Nothing is converted: a film is shown where browsers play its codec, and only the very bytes that
were scanned are embedded.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from unmask.core.media import VideoInfo
from unmask.report.language.translation import N_

_CODECS = frozenset(["h264", "vp8", "vp9", "av1"])
_KINDS = {"mov": "video/mp4", "matroska": "video/webm"}
"""Kinds of the containers that browsers open, by the first of FFmpeg's names for them."""


@dataclass(frozen=True)
class FilmLink:
    """Where a page shows the film from."""

    address: str | None
    """Relative link, a service's address or a data URI; None: stills are shown instead."""
    why_not: str | None = None
    """Why there is no film, an English sentence of the catalogue."""

    overlay: str | None = None
    """Relative link or service's address of the film with boxes and maps drawn in."""

    @property
    def source(self) -> str | None:
        """What a security policy has to allow for it."""
        if self.address is None:
            return None
        return "data:" if self.address.startswith("data:") else "'self'"


NO_FILM = FilmLink(None)
"""Of a page that knows nothing of the film."""
NOT_PLAYABLE = N_("Browsers cannot play this kind of film, so whole key frames are shown instead.")
TOO_LARGE = N_("The film is too large to embed, so whole key frames are shown instead.")
CHANGED = N_("The file is no longer the one that was scanned, so the film is not shown.")
MISSING = N_("The film was not found, so whole key frames are shown instead.")


def film_link(video: VideoInfo, page: Path, *, embed_bytes: int | None = None) -> FilmLink:
    """Return where a page shows a film from.

    Args:
        video: the film.
        page: file of the page.
        embed_bytes: size up to which the film is written into the page; None to link to it.
    """
    if video.kind == "image":
        return NO_FILM
    if not is_playable(video):
        return FilmLink(None, NOT_PLAYABLE)
    try:
        if embed_bytes is not None:
            return _embedded(video, embed_bytes)
        return _linked(Path(video.path), page)
    except OSError:
        return FilmLink(None, MISSING)


def is_playable(video: VideoInfo) -> bool:
    """Tell whether today's browsers play a film."""
    plain = video.bit_depth == 8 and video.pixel_format in {"yuv420p", "yuvj420p"}
    return video.container.split(",")[0] in _KINDS and video.codec in _CODECS and plain


def _linked(film: Path, page: Path) -> FilmLink:
    if not film.is_file():
        return FilmLink(None, MISSING)
    try:
        return FilmLink(relative_link(film, page))
    except ValueError:  # on another drive
        return FilmLink(None, MISSING)


def relative_link(target: Path, page: Path) -> str:
    """Return how a page links to a file.

    Raises:
        ValueError: they lie on different drives.
    """
    relative = os.path.relpath(target.resolve(), page.resolve().parent)
    # './' keeps a name with a colon from being read as an address of another kind
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))


def _embedded(video: VideoInfo, embed_bytes: int) -> FilmLink:
    if video.size_bytes > embed_bytes:
        return FilmLink(None, TOO_LARGE)
    data = Path(video.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != video.sha256:
        return FilmLink(None, CHANGED)
    kind = _KINDS[video.container.split(",")[0]]
    return FilmLink(f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")
