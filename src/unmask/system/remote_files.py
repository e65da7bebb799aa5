"""Files in object stores, such as `s3://bucket/folder`: listed, looked at, copied, and sent there.

Whole stores are written by `store_folders`. Needs fsspec, and a package for each kind of store (the
extra `remote` brings that for S3). Nothing is opened until an address is named. Addresses of the
web are none of these: a scan reads files.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from unmask.core.errors import (
    DownloadError,
    InputError,
    InputNotFound,
    LimitExceeded,
    UnmaskError,
)
from unmask.system.files import check_parent_folder, write_whole
from unmask.system.suffixes import MEDIA_SUFFIXES, is_sidecar

_ADDRESS = re.compile(r"(s3|s3a|gs|gcs|abfs|az|hdfs|memory):/+")
_HINT = "are name, credentials and endpoint right?"
_CHUNK_BYTES = 4 * 2**20
_TIMES = ("LastModified", "mtime", "last_modified", "modified", "updated", "created")
"""What kinds of stores call the time of the last change."""


def remote_address(path: str | Path) -> str | None:
    """Return the address in an object store that is named; None for what lies on this machine.

    A `Path` made of an address has lost one of its slashes.

    >>> remote_address(Path("s3://bucket/a.mp4")), remote_address("https://example.org/a.mp4")
    ('s3://bucket/a.mp4', None)
    """
    text = str(path)
    match = _ADDRESS.match(text)
    return None if match is None else f"{match[1]}://{text[match.end() :]}"


def is_remote(path: str | Path) -> bool:
    """Tell whether the address of a file or folder in an object store is named."""
    return remote_address(path) is not None


def as_typed(path: str | Path) -> str:
    """Return a path, or an address with both its slashes."""
    return remote_address(path) or str(path)


def absolute_path(path: str | Path) -> str:
    """Return a path from the root of its file system, or an address as it is."""
    return remote_address(path) or str(Path(path).absolute())


def media_at(address: str) -> list[str]:
    """Return the address of a file, or those of the media files below a folder, sorted.

    Raises:
        InputNotFound: the store cannot be reached, or nothing lies there.
        InputError: the package for this kind of store is not installed.
    """
    system, path = open_store(address)
    try:
        if system.isfile(path):
            return [address]
        paths = system.find(path)
    except Exception as error:  # each kind of store has errors of its own
        raise unreachable(address, error) from error
    if not paths:
        raise InputNotFound(f"nothing lies at {address!r}", hint="is the name spelled right?")
    scheme = address.partition("://")[0]
    names = [f"{scheme}://{name.removeprefix('/')}" for name in paths if _is_media(name)]
    return sorted(names)


def size_and_time(address: str) -> tuple[int | None, int | None]:
    """Return a file's size in bytes and its last change in nanoseconds; None: not known."""
    try:
        system, path = open_store(address)
        info = system.info(path)
    except Exception:  # noqa: BLE001 - reading it says what is wrong
        return None, None
    size = info.get("size")
    changed = next((info[name] for name in _TIMES if name in info), None)
    return None if size is None else int(size), _nanoseconds(changed)


def open_store(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path there.

    Raises:
        InputError: its package is not installed.
        InputNotFound: the address is none.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)  # type: ignore[no-any-return]
    except ImportError as error:
        raise InputError(
            f"{address!r} needs a package that is not installed: {error}",
            hint="pip install 'unmask[remote]' for S3, or the package that is named",
        ) from error
    except ValueError as error:
        raise InputNotFound(
            f"{address!r} is no address: {error}", hint="is it complete?"
        ) from error


def unreachable(address: str, error: Exception) -> InputNotFound:
    """Return why an address cannot be read."""
    return InputNotFound(f"{address!r} cannot be read: {_reason(error)}", hint=_HINT)


def unwritable(address: str, error: Exception) -> DownloadError:
    """Return why nothing can be written to an address."""
    return DownloadError(f"{address!r} cannot be written: {_reason(error)}", hint=_HINT)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@cache
def local_copy(path: str | Path) -> Path:
    """Return where a file or a folder can be read: itself, or a copy of what lies at an address.

    A copy is made once, and removed when this process ends.

    Raises:
        InputNotFound: nothing lies there, or it cannot be reached.
    """
    address = remote_address(path)
    if address is None:
        return Path(path)
    copy = Path(_copies().name, str(len(list(Path(_copies().name).iterdir()))))
    copy /= PurePosixPath(address).name
    copy.parent.mkdir()
    system, source = open_store(address)
    try:
        system.invalidate_cache()
        found = files_below(system, source)
        if not found:
            raise InputNotFound(f"nothing lies at {address!r}", hint=_HINT)
        for name, each in found.items():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(each, str(target))
    except UnmaskError:
        raise
    except Exception as error:  # each kind of store has errors of its own
        raise unreachable(address, error) from error
    return copy


@cache
def _copies() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="unmask-")


def write_anywhere(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all; at an address it is made here and sent as one object.

    Args:
        path: the file.
        write: called with the path to write to.

    Raises:
        InputNotFound: the folder does not exist.
        DownloadError: the store did not take it.
    """
    address = remote_address(path)
    if address is None:
        check_parent_folder(path)
        write_whole(path, write)
        return
    with TemporaryDirectory(prefix="unmask-") as folder:
        made = Path(folder, path.name)
        write(made)
        send_file(made, address)


def files_below(system: Any, root: str) -> dict[str, str]:
    """Return the files below a place in a store by their names there; `.` is the place itself.

    Objects that stand for empty folders, as consoles make them, are none.

    Raises:
        InputError: a name leads out of there: whoever may write to a store chooses its names.
    """
    below = PurePosixPath(system._strip_protocol(root))  # noqa: SLF001 - fsspec's for this
    files: dict[str, str] = {}
    for path in system.find(root):
        if path.endswith("/"):
            continue
        name = PurePosixPath(path).relative_to(below)
        if ".." in name.parts or "\\" in str(name):
            raise InputError(
                f"{root!r} holds a file whose name leads out of it: {str(name)!r}",
                hint="remove that file, and ask who put it there",
            )
        files[str(name)] = path
    return files


def check_place(path: Path) -> None:
    """Refuse an output on this machine whose folder does not exist.

    Raises:
        InputNotFound: it does not.
    """
    if not is_remote(path):
        check_parent_folder(path)


def refuse_address(path: Path) -> None:
    """Refuse an output in an object store where only paths of this machine are written.

    Raises:
        InputError: it is one.
    """
    if (address := remote_address(path)) is not None:
        raise InputError(
            f"{address!r} lies in an object store: this output is written to this machine",
            hint="name a path here and copy it there when it is done",
        )


def send_file(path: Path, address: str) -> None:
    """Send a file to an address: there it is whole or not at all.

    Raises:
        DownloadError: the store did not take it, or takes files piece by piece, as HDFS does.
    """
    if address.startswith("hdfs:"):
        raise unwritable(address, OSError("HDFS may be left with half a file; write to a folder"))
    local_copy.cache_clear()  # what was read there may be another file now
    system, target = open_store(address)
    try:
        system.put_file(str(path), target)
    except Exception as error:
        raise unwritable(address, error) from error


class LocalCopies(Sequence[str]):
    """Paths to read files at: their own, or that of a copy which is made when it is asked for.

    Args:
        paths: paths and addresses.
        folder: for the copies.
        max_bytes: size of the largest file that is copied.
    """

    def __init__(self, paths: Sequence[str], folder: Path, *, max_bytes: int) -> None:
        self._paths, self._folder, self._max_bytes = paths, folder, max_bytes
        self.errors: dict[int, UnmaskError] = {}
        """Why there is no copy, by place."""

    def __len__(self) -> int:
        """Count the files."""
        return len(self._paths)

    def __getitem__(self, place: Any) -> Any:
        """Return where a file can be read; where it could not be copied, nothing is there."""
        address = self._paths[place]
        if not is_remote(address):
            return address
        copy = self.path(place)
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            try:
                self._copy(address, copy)
            except UnmaskError as error:
                self.errors[place] = error
        return str(copy)

    def path(self, place: int) -> Path:
        """Return where the copy of a file is or would be."""
        return self._folder / str(place) / self._paths[place].rstrip("/").rpartition("/")[2]

    def drop(self, place: int) -> None:
        """Remove a copy that is no longer needed."""
        shutil.rmtree(self.path(place).parent, ignore_errors=True)

    def _copy(self, address: str, copy: Path) -> None:
        system, path = open_store(address)
        try:
            size = system.info(path)["size"]
            if size is not None and size > self._max_bytes:
                raise LimitExceeded(
                    f"{address!r} has {size} bytes; at most {self._max_bytes} are read",
                    hint="cut it into parts, or make a smaller copy of it",
                )
            with system.open(path, "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
            if (changed := size_and_time(address)[1]) is not None:
                os.utime(copy, ns=(changed, changed))  # the report says how old the file is
        except UnmaskError:
            raise
        except Exception as error:
            copy.unlink(missing_ok=True)
            raise unreachable(address, error) from error


def _is_media(name: str) -> bool:
    file = Path(name)
    return file.suffix.lower() in MEDIA_SUFFIXES and not is_sidecar(file.name)


def _nanoseconds(changed: object) -> int | None:
    if isinstance(changed, datetime):
        return round(changed.timestamp() * 1000) * 1_000_000
    return round(changed * 1000) * 1_000_000 if isinstance(changed, int | float) else None
