"""Where the files of a store lie: in a folder here, or in an object store with a working copy here.

Stores (of results, of crops, of the parts of a predictions file) write each file whole to a folder
on this machine. Of one at an address that folder is a working copy, and each file is sent there as
one object before the store goes on: objects are whole or not there, are made in the same order, and
an interruption leaves what it leaves on a disk. An object store has no locks that end with a
process, so a run holds one of this machine and an object with its name: see `_lease`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from uuid import uuid4

from unmask.core.errors import InputError, ManifestError, UnmaskError
from unmask.system.files import user_folder
from unmask.system.remote_files import (
    files_below,
    open_store,
    remote_address,
    send_file,
    unreachable,
    unwritable,
)

LEASE = ".lock"
"""Object that names the run which writes to a store."""
_MOST_ROUNDS = 20
"""Times that a store is listed while its files change."""


def _everything(_name: str, _names: AbstractSet[str]) -> bool:
    return True


@dataclass(frozen=True)
class Copied:
    """What of a store a working copy holds."""

    wanted: Callable[[str, AbstractSet[str]], bool] = _everything
    """Tells by its name and those of all files whether a file is copied."""
    stub: Callable[[IO[bytes], Path], None] | None = None
    """Makes a small file that stands for one which is not; None: nothing stands for it."""


class StoreFolder:
    """A store's folder on this machine.

    Args:
        path: of the folder.
    """

    complete = True
    """Whether all files of the store are in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, path: Path, *, last: str | None = None) -> None:
        """Note that a file, or all files of a folder, are whole; here they need to go nowhere.

        Args:
            path: below the folder.
            last: name of the file that makes a folder count.
        """

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove the store."""
        shutil.rmtree(self.path)


class RemoteFolder(StoreFolder):
    """A working copy of a store in an object store.

    Args:
        address: of the store.
        path: of the working copy.
        copied: what it holds.
    """

    complete = False

    def __init__(self, address: str, path: Path, copied: Copied) -> None:
        super().__init__(path)
        self.address = address.rstrip("/")
        self._copied = copied
        self._system, self._root = open_store(self.address)

    def fetch(self, begins_with: str | None = None) -> None:
        """Copy what is wanted.

        Files that go while they are copied have become part of others, which are listed then.

        Args:
            begins_with: file that a store begins with. Where it is missing names are copied alone,
                for whoever refuses a folder that holds something else.

        Raises:
            InputNotFound: the store cannot be reached.
            ManifestError: that file is missing and folders are there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        names = self.names()
        if begins_with is not None and begins_with not in names:
            self._stand_in_for(sorted(names), begins_with)
            return
        for _ in range(_MOST_ROUNDS):
            if self._fetch_all(names):
                return
            names = self.names()
            for file in self.path.rglob("*"):
                if file.is_file() and self._name_of(file) not in names:
                    file.unlink()
        raise unreachable(self.address, OSError("it lists files that are not there"))

    def _stand_in_for(self, names: Sequence[str], begins_with: str) -> None:
        for name in names:
            if "/" in name:  # begun again, a store would write over what is there
                raise ManifestError(
                    f"{self.address!r} holds {name!r} and no {begins_with!r}",
                    hint="it is no store, or has lost that file: name a new folder",
                )
            (self.path / name).touch()

    def names(self) -> set[str]:
        """Return the names of its files, below the address.

        Raises:
            InputError: the address is that of a file, or a name leads out of it.
        """
        self._system.invalidate_cache()
        names: set[str] = set()
        with self._reading(self.address), suppress(FileNotFoundError):
            names = set(files_below(self._system, self._root))
        if "." in names:
            raise InputError(
                f"{self.address!r} is a file", hint="name the folder of a store, or a new one"
            )
        return names - {LEASE}

    def send(self, path: Path, *, last: str | None = None) -> None:
        """Send a file, or all files of a folder, one after the other.

        Raises:
            DownloadError: the store did not take it.
        """
        files = sorted(path.iterdir(), key=lambda file: file.name == last) if last else [path]
        for file in files:
            send_file(file, self._address_of(file))
        names = {self._name_of(file) for file in files}
        for file in files:
            if not self._copied.wanted(self._name_of(file), names):
                self._shorten(file)

    def remove(self, path: Path) -> None:
        """Remove a file here and there, if it is here."""
        if path.exists():
            self._remove_object(self._address_of(path))
            path.unlink()

    def remove_all(self) -> None:
        """Remove the store."""
        for name in sorted(self.names()):
            self.remove(self.path / name)
        shutil.rmtree(self.path)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the store for writing.

        Raises:
            ManifestError: another run does.
        """
        with _lock_here(self.address) as token:
            self._take_lease(token)
            try:
                yield
            finally:
                with suppress(UnmaskError):  # this machine takes it again
                    self._remove_object(f"{self.address}/{LEASE}")

    def _fetch_all(self, names: AbstractSet[str]) -> bool:
        """Copy what is not here yet; tell whether all of it was still there."""
        found = [self._fetch_one(name, names) for name in sorted(names)]
        return all(found)

    def _fetch_one(self, name: str, names: AbstractSet[str]) -> bool:
        target, stub = self.path / name, self._copied.stub
        wanted = self._copied.wanted(name, names)
        if target.exists() or not (wanted or stub):
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._reading(f"{self.address}/{name}"):
                if wanted:
                    self._system.get_file(f"{self._root}/{name}", str(target))
                elif stub is not None:
                    with self._system.open(f"{self._root}/{name}", "rb") as file:
                        stub(file, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            return False
        return True

    def _shorten(self, file: Path) -> None:
        """Remove a file that was sent, or put what stands for it in its place."""
        if (stub := self._copied.stub) is None:
            file.unlink()
            return
        short = file.with_suffix(".stub")
        with file.open("rb") as whole:
            stub(whole, short)
        short.replace(file)

    def _take_lease(self, token: str) -> None:
        path, holder = f"{self._root}/{LEASE}", f"process {os.getpid()} on {socket.gethostname()}"
        data = json.dumps({"token": token, "holder": holder}).encode()
        try:
            self._system.pipe_file(path, data, mode="create")
        except Exception as error:
            there = self._lease_there()
            if there is None:
                raise unwritable(f"{self.address}/{LEASE}", error) from error
            if there.get("token") != token:
                raise ManifestError(
                    f"{self.address!r} is being written to by {there.get('holder')}",
                    hint="wait until that run has ended; if it was killed on another machine, "
                    f"remove {self.address}/{LEASE}",
                ) from error
            try:
                self._system.pipe_file(path, data)
            except Exception as failure:
                raise unwritable(f"{self.address}/{LEASE}", failure) from failure

    def _lease_there(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._system.cat_file(f"{self._root}/{LEASE}")))
        except Exception:  # noqa: BLE001 - each kind of store has errors of its own
            return None

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _address_of(self, path: Path) -> str:
        return f"{self.address}/{self._name_of(path)}"

    def _remove_object(self, address: str) -> None:
        try:
            self._system.rm_file(open_store(address)[1])
        except FileNotFoundError:
            return
        except Exception as error:
            raise unwritable(address, error) from error

    @contextmanager
    def _reading(self, address: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, UnmaskError):
            raise
        except Exception as error:
            raise unreachable(address, error) from error


@contextmanager
def written_folder(
    folder: str | Path, *, begins_with: str, copied: Copied | None = None
) -> Iterator[StoreFolder]:
    """Open a store's folder for writing: one here as it is, or a working copy of one at an address.

    Args:
        folder: path or address.
        begins_with: file that is written first; where it is missing, the store is new.
        copied: what a working copy holds; None: everything.

    Raises:
        ManifestError: another run writes to the address.
        InputNotFound: it cannot be reached.
        DownloadError: it cannot be written.
    """
    address = remote_address(folder)
    if address is None:
        yield StoreFolder(Path(folder))
        return
    with _working_copy(address, copied or Copied()) as remote, remote.lease():
        remote.fetch(begins_with)
        yield remote


@contextmanager
def read_folder(folder: str | Path, copied: Copied) -> Iterator[Path]:
    """Return where a store can be read: its folder, or a copy that is removed at the end.

    Args:
        folder: path or address.
        copied: what a copy holds.

    Raises:
        InputNotFound: an address cannot be reached.
    """
    address = remote_address(folder)
    if address is None:
        yield Path(folder)
        return
    with _working_copy(address, copied) as remote:
        remote.fetch()
        yield remote.path


@contextmanager
def _working_copy(address: str, copied: Copied) -> Iterator[RemoteFolder]:
    """Make room for a working copy; errors name the address in its place."""
    with TemporaryDirectory(prefix="unmask-") as temporary:
        remote = RemoteFolder(address, Path(temporary, "store"), copied)
        try:
            yield remote
        except UnmaskError as error:
            message = error.message.replace(str(remote.path), remote.address)
            raise type(error)(message, hint=error.hint) from error


@contextmanager
def _lock_here(address: str) -> Iterator[str]:
    """Hold this machine's lock for an address; it ends with the process.

    Yields the machine's token, by which a run knows an object that an earlier one left behind when
    it was killed: whoever holds this lock is the only one here.

    Raises:
        ManifestError: another process of this machine holds it.
    """
    import fcntl

    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    path = user_folder() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ManifestError(
                f"{address!r} is being written to by another process of this machine",
                hint="wait until it has ended, or name another folder",
            ) from error
        file.seek(0)
        token = file.read() or uuid4().hex
        if not file.tell():
            file.write(token)
            file.flush()
        yield token
