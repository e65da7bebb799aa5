"""What a user names on the command line, as a list of files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from unmask.errors import InputNotFound

MEDIA_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
        ".gif",
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
    ]
)
"""Files of a folder that are taken; a file named itself is taken whatever its suffix."""

_MAX_LIST_BYTES = 64 * 2**20


def expand(arguments: Iterable[str]) -> list[str]:
    """Turn files, folders, globs, lists and `-` into files, each once, in order.

    A folder gives the media files below it, sorted. A `.txt` file is a list: a path per line, blank
    lines and lines that start with `#` left out, relative to the list's folder. `-` reads such a
    list from standard input. What does not exist or may not be read, a folder below too, is kept:
    the scan reports it and goes on with the others.

    Raises:
        InputNotFound: nothing was named, or what was named holds no file.
    """
    files = list(dict.fromkeys(path for argument in arguments for path in _expand_one(argument)))
    if not files:
        raise InputNotFound(
            "no video or picture was named",
            hint="name files, folders or a list.txt; a folder is searched for media files",
        )
    return files


def _expand_one(argument: str) -> Iterator[str]:
    path = Path(argument)
    mode = _mode(path)
    if argument == "-":
        yield from _lines(sys.stdin.read(_MAX_LIST_BYTES), Path())
    elif stat.S_ISDIR(mode):
        yield from _media_below(path)
    elif path.suffix.lower() == ".txt" and os.access(path, os.R_OK) and stat.S_ISREG(mode):
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from _lines(file.read(_MAX_LIST_BYTES), path.parent)
    elif not os.path.lexists(path) and (matches := sorted(glob(argument, recursive=True))):  # noqa: PTH207
        yield from (m for m in matches if stat.S_ISREG(_mode(Path(m))))
    else:
        yield argument


def _mode(path: Path) -> int:
    """Return the type and permissions of what a path leads to; 0 where that cannot be told."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _media_below(folder: Path) -> list[str]:
    """Return the media files below a folder, sorted, and the folders that may not be read."""
    locked: list[str] = []
    files = [
        str(file)
        for top, _, names in os.walk(folder, onerror=lambda error: locked.append(error.filename))
        for name in names
        if (file := Path(top, name)).suffix.lower() in MEDIA_SUFFIXES
        and (stat.S_ISREG(mode := _mode(file)) or mode == 0)
    ]
    return sorted([*files, *locked])


def _lines(text: str, folder: Path) -> Iterator[str]:
    for line in text.splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield str(folder / entry)
