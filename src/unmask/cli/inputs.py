"""What a user names on the command line, as a list of files."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import IO

from unmask.core.errors import InputError, InputNotFound
from unmask.core.text import visible
from unmask.system.remote_files import is_remote, media_at, refuse_address
from unmask.system.suffixes import MEDIA_SUFFIXES, is_sidecar

_MAX_LIST_BYTES = 64 * 2**20
_NAMES_TOLD = 5


def expand(arguments: Iterable[str]) -> list[str]:
    """Turn files, folders, globs, lists and `-` into files, each once, in order.

    A folder gives the media files below it, sorted; a line on standard error counts and names what
    else is there. Links to folders are not followed. A `.txt` file is a list: a path per line as it
    stands, relative to the list's folder. Empty lines are left out, and lines that start with `#`,
    which a line on standard error counts. `-` reads such a list from standard input. What does not
    exist or may not be read, a folder below too, is kept: the scan reports it and goes on with the
    others. An address such as `s3://bucket/folder` gives the media files below it.

    Raises:
        InputNotFound: nothing was named, or what was named holds no file.
        InputError: a list is too long to be one.
    """
    files: dict[str, None] = {}
    empty: list[str] = []
    for argument in arguments:
        result = dict.fromkeys(_expand_one(argument))
        files |= result
        if not result:
            empty.append(argument)
    if not files:
        where = f"in {', '.join(map(repr, empty[:_NAMES_TOLD]))}" if empty else "was named"
        raise InputNotFound(
            f"no video or picture {where}",
            hint="name files, folders or a list.txt; a folder is searched for media files",
        )
    for argument in empty:
        _note(f"no video or picture in {argument!r}")
    return list(files)


def refuse_overwriting(outputs: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Refuse before anything is read what would destroy an input, or one result by another.

    Paths are compared by the file that they lead to, through links and other spellings. Devices
    and pipes may be named more than once.

    Args:
        outputs: files to write; standard output (`-`) is none of them.
        inputs: files to read, as `expand` gives them.

    Raises:
        InputError: an output is an input, or two outputs are the same file.
    """
    read = {_identity(path) for path in inputs}
    written: dict[object, Path] = {}
    for path in outputs:
        identity = _identity(path)
        if identity is None:
            continue
        if identity in read:
            raise InputError(
                f"{str(path)!r} is an input: writing there would destroy it",
                hint="name another file for the result",
            )
        if identity in written:
            raise InputError(
                f"{str(written[identity])!r} and {str(path)!r} are the same file",
                hint="name a file for each result",
            )
        written[identity] = path


def refuse_addresses(outputs: Iterable[Path]) -> None:
    """Refuse an output in an object store where only paths of this machine are written.

    Raises:
        InputError: there is one.
    """
    for path in outputs:
        refuse_address(path)


def require_suffix(path: Path, suffixes: Sequence[str], *, what: str) -> None:
    """Refuse before anything is read an output whose format its name does not tell.

    Args:
        path: file to write.
        suffixes: of the formats that can be written, in small letters.
        what: what is written, for the error.

    Raises:
        InputError: the name ends otherwise.
    """
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"{str(path)!r} is no name of a {what} that can be written",
            hint=f"end it with one of {', '.join(suffixes)}",
        )


def _identity(path: Path) -> object:
    """Return what tells a file from all others; None for what cannot be overwritten."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    except ValueError:  # no path at all, such as one with a null character
        return str(path)
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _expand_one(argument: str) -> Iterator[str]:
    path = Path(argument)
    mode = _mode(path)
    if argument == "-":
        yield from _read_list(sys.stdin.buffer, "standard input", Path())
    elif is_remote(argument):
        yield from media_at(argument)
    elif stat.S_ISDIR(mode):
        yield from _media_below(path)
    elif path.suffix.lower() == ".txt" and os.access(path, os.R_OK) and stat.S_ISREG(mode):
        with path.open("rb") as file:
            yield from _read_list(file, argument, path.parent)
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
    taken: list[str] = []
    left_out: list[str] = []
    for top, folders, names in os.walk(folder, onerror=lambda error: taken.append(error.filename)):
        for name in names:
            if is_sidecar(name):
                continue  # nobody put it there, and it says nothing of its own
            file = Path(top, name)
            (taken if _is_media(file) else left_out).append(str(file))
        left_out += [str(link) for name in folders if (link := Path(top, name)).is_symlink()]
    if left_out:
        _tell_left_out(folder, sorted(left_out))
    return sorted(taken)


def _is_media(file: Path) -> bool:
    """Tell by its suffix whether a file is media; what cannot be looked at is kept for the scan."""
    mode = _mode(file)
    return file.suffix.lower() in MEDIA_SUFFIXES and (stat.S_ISREG(mode) or mode == 0)


def _tell_left_out(folder: Path, paths: list[str]) -> None:
    """Say on standard error what of a folder will not be read."""
    names = [visible(os.path.relpath(path, folder)) for path in paths[:_NAMES_TOLD]]
    more = ", ..." if len(paths) > _NAMES_TOLD else ""
    sys.stderr.write(
        f"note: left out of {visible(str(folder))!r}, by suffix or as links to folders, "
        f"{len(paths)} in all: {', '.join(names)}{more} (name them to have them read)\n"
    )


def _read_list(file: IO[bytes], name: str, folder: Path) -> Iterator[str]:
    """Yield the paths of a list, whatever bytes their names are made of.

    Only a line feed ends a line, and nothing but the carriage return of Windows is cut off: what
    else looks like a break or a blank may be part of a name, and would hide it. Lines of blanks
    alone are passed over.
    """
    data = file.read(_MAX_LIST_BYTES + 1)
    if len(data) > _MAX_LIST_BYTES:
        raise InputError(
            f"the list {name!r} is longer than {_MAX_LIST_BYTES} bytes",
            hint="make several lists of it; a video is named by another suffix than .txt",
        )
    lines = [line.removesuffix("\r") for line in _decode(data, name).split("\n")]
    comments = sum(line.startswith("#") for line in lines)
    paths = [str(folder / line) for line in lines if line.strip() and not line.startswith("#")]
    _refuse_prose(paths, name)
    yield from paths
    if comments:
        _note(
            f"left out of the list {name!r} as comments, lines that start with '#': "
            f"{comments} (a file named so is listed as './#...')"
        )


def _refuse_prose(paths: Sequence[str], name: str) -> None:
    """Refuse a text of which no line names anything: it is no list of files."""
    if not paths or any(_mode(Path(path)) for path in paths):
        return
    if any(Path(path).suffix.lower() in MEDIA_SUFFIXES for path in paths):
        return  # a list of what has gone, or lies below a locked folder: the scan says so of each
    raise InputError(
        f"{name!r} is no list of files: none of its {len(paths)} lines names one",
        hint="a .txt file is read as a list with a path per line; name the video itself",
    )


def _note(text: str) -> None:
    """Write a note to standard error, every character visible."""
    sys.stderr.write(f"note: {visible(text)}\n")


def _decode(data: bytes, name: str) -> str:
    """Decode a list as its mark says: Windows writes UTF-16, and UTF-8 with a mark.

    Without one it is UTF-8, in which names that are none keep their bytes.
    """
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-8-sig", "surrogateescape")
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise InputError(
            f"the list {name!r} begins as UTF-16 and is none: {error.reason}",
            hint="save it again, as UTF-8",
        ) from error
