"""What a user names on the command line, as a list of files."""

from __future__ import annotations

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
    list from standard input. A path that does not exist is kept: the scan reports it.

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
    if argument == "-":
        yield from _lines(sys.stdin.read(_MAX_LIST_BYTES), Path())
    elif path.is_dir():
        yield from sorted(
            str(p) for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES and p.is_file()
        )
    elif path.suffix.lower() == ".txt" and path.is_file():
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from _lines(file.read(_MAX_LIST_BYTES), path.parent)
    elif not path.exists() and (matches := sorted(glob(argument, recursive=True))):  # noqa: PTH207
        yield from (m for m in matches if Path(m).is_file())
    else:
        yield argument


def _lines(text: str, folder: Path) -> Iterator[str]:
    for line in text.splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield str(folder / entry)
