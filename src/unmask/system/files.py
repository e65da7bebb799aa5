"""Files: written whole or not at all, told apart by SHA-256; the user's folder of detectors."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unmask.core.errors import InputNotFound, NoUserFolder

_FULL = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
"""No room on the disk, or none within a quota or a limit."""
_NAME_CHARACTERS = 40
"""Of a name in that of the half written file, which may not be longer than 255 bytes."""


def user_folder() -> Path:
    """Return the folder of the user's own detectors: `$UNMASK_HOME` or `~/.local/share/unmask`.

    Raises:
        NoUserFolder: the user has no home folder.
    """
    if named := os.environ.get("UNMASK_HOME"):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise NoUserFolder(
            "there is no folder for detectors of your own: the user has no home folder",
            hint="set UNMASK_HOME to the folder where they are to lie",
        ) from error
    return home / ".local" / "share" / "unmask"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there whole or not at all, whatever stops the writing.

    A link is followed and the permissions of what is replaced are kept. A device or a pipe is
    written to as it is, and so is a file that cannot be replaced: one in a folder that may not be
    written to, or one that is mounted by itself.

    Args:
        path: where the file shall be; what is there stays until the new one is whole.
        write: called with the path to write to.
    """
    with name_full_disk(path):
        if path.exists() and not path.is_file():
            write(path)
            return
        real = Path(os.path.realpath(path))
        if real.exists() and not os.access(real.parent, os.W_OK | os.X_OK):
            write(real)
            return
        partial = partial_path(real)
        try:
            write(partial)
            publish(partial, real)
        except BaseException:  # Ctrl-C as well
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def name_full_disk(path: Path) -> Iterator[None]:
    """Let an error of a full disk name the file that was to be written, and not a part of it."""
    try:
        yield
    except Exception as error:
        full = no_room(error)
        if full is None or full.errno is None:
            raise
        # a new one: that of PyAV takes no other name, and that of Arrow has a text of its own
        raise OSError(full.errno, os.strerror(full.errno), str(path)) from error


def no_room(error: BaseException) -> OSError | None:
    """Return the error of a full disk that an error is or comes from; None where it is another."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, OSError) and chain.errno in _FULL:
            return chain
        chain = chain.__cause__ or chain.__context__
    return None


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def partial_path(path: Path) -> Path:
    """Return the name under which a file is written until it is whole; it ends in `.partial`."""
    return path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{os.getpid()}.partial")


def drop_partials(folder: Path) -> None:
    """Remove what an interrupted program left half written in a folder and below it."""
    for partial in folder.rglob(".*.partial"):
        partial.unlink()


def publish(partial: Path, path: Path) -> None:
    """Flush a file that was written whole to the disk, give it its name, and flush that."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, partial)
    try:
        partial.replace(path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(partial, path)
        partial.unlink()
    with suppress(OSError):  # Windows opens no folder, some shares flush none
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_parent_folder(path: Path) -> None:
    """Refuse an output whose folder does not exist.

    Raises:
        InputNotFound: it does not.
    """
    folder = path.absolute().parent
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises below a locked folder
        raise InputNotFound(
            f"no folder {str(path.parent)!r} to write {path.name!r} to",
            hint="make the folder first",
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
