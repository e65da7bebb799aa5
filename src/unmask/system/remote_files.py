"""Files in object stores, such as `s3://bucket/folder`: listed, looked at and copied one at a time.

Needs fsspec, and a package for each kind of store (the extra `remote` brings that for S3). Nothing
is opened until an address is named. Addresses of the web are none of these: a scan reads files.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from unmask.core.errors import InputError, InputNotFound, LimitExceeded, UnmaskError
from unmask.system.suffixes import MEDIA_SUFFIXES, is_sidecar

_ADDRESS = re.compile(r"(?:s3|s3a|gs|gcs|abfs|az|hdfs|memory)://")
_CHUNK_BYTES = 4 * 2**20
_TIMES = ("LastModified", "mtime", "last_modified", "modified", "updated", "created")
"""What kinds of stores call the time of the last change."""


def is_remote(path: str) -> bool:
    """Tell whether a text is the address of a file or folder in an object store.

    >>> is_remote("s3://bucket/a.mp4"), is_remote("https://example.org/a.mp4"), is_remote("a.mp4")
    (True, False, False)
    """
    return _ADDRESS.match(path) is not None


def media_at(address: str) -> list[str]:
    """Return the address of a file, or those of the media files below a folder, sorted.

    Raises:
        InputNotFound: the store cannot be reached, or nothing lies there.
        InputError: the package for this kind of store is not installed.
    """
    system, path = _opened(address)
    try:
        if system.isfile(path):
            return [address]
        paths = system.find(path)
    except Exception as error:  # each kind of store has errors of its own
        raise _unreachable(address, error) from error
    if not paths:
        raise InputNotFound(f"nothing lies at {address!r}", hint="is the name spelled right?")
    scheme = address.partition("://")[0]
    names = [f"{scheme}://{name.removeprefix('/')}" for name in paths if _is_media(name)]
    return sorted(names)


def size_and_time(address: str) -> tuple[int | None, int | None]:
    """Return a file's size in bytes and its last change in nanoseconds; None: not known."""
    try:
        system, path = _opened(address)
        info = system.info(path)
    except Exception:  # noqa: BLE001 - reading it says what is wrong
        return None, None
    size = info.get("size")
    changed = next((info[name] for name in _TIMES if name in info), None)
    return None if size is None else int(size), _nanoseconds(changed)


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
        system, path = _opened(address)
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
            raise _unreachable(address, error) from error


def _opened(address: str) -> tuple[Any, str]:
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


def _unreachable(address: str, error: Exception) -> InputNotFound:
    why = " ".join(str(error).split()) or type(error).__name__
    return InputNotFound(
        f"{address!r} cannot be read: {why}", hint="are name, credentials and endpoint right?"
    )


def _is_media(name: str) -> bool:
    file = Path(name)
    return file.suffix.lower() in MEDIA_SUFFIXES and not is_sidecar(file.name)


def _nanoseconds(changed: object) -> int | None:
    if isinstance(changed, datetime):
        return round(changed.timestamp() * 1000) * 1_000_000
    return round(changed * 1000) * 1_000_000 if isinstance(changed, int | float) else None
