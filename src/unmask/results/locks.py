"""Who reads and who writes a result store: locks that end with the process that holds them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from unmask.core.errors import ManifestError

READERS, WRITER = ".readers", ".lock"
"""Files of a store that are locked by those who read it, and by the one who writes to it."""


@contextmanager
def read_lock(folder: Path, *, alone: bool = False) -> Iterator[bool]:
    """Keep shards from being dropped while they are read; yield whether the lock is held.

    Args:
        folder: of the store.
        alone: ask for it as the one who drops them, without waiting for readers.
    """
    with ExitStack() as stack:
        held = False
        with suppress(ImportError, OSError):  # Windows, or a share without locks: nothing is joined
            import fcntl

            file = stack.enter_context((folder / READERS).open("rb"))
            kind = fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH
            fcntl.flock(file, kind)
            held = True
        yield held


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the store's lock; it ends with the process, however that ends.

    Its file says who holds it.
    """
    import fcntl

    with (folder / WRITER).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = " ".join(file.read(200).split()) or "another run"
            raise ManifestError(
                f"{str(folder)!r} is being written to by {holder}",
                hint="wait until that run has ended, or name another folder",
            ) from error
        with suppress(OSError):  # on a full disk the lock holds without a name
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
