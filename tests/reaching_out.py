"""What a hostile file might make its decoder do, importable by a worker process in no time."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path


def start() -> None:
    """Load nothing."""


def _in_a_thread(path: Path) -> None:
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(path.read_bytes()))
    thread.start()
    thread.join()
    assert read == [b"data"]


def _fork() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


ATTEMPTS: dict[str, Callable[[Path], object]] = {
    "own file": Path.read_bytes,
    "own file in a thread": _in_a_thread,
    "library": lambda _: importlib.import_module("colorsys"),
    "thread": lambda _: threading.Thread(target=int).start(),
    "other file": lambda path: path.with_name("other.bin").read_bytes(),
    "list of a folder": lambda path: list(path.parent.iterdir()),
    "write": lambda path: path.write_bytes(b"data"),
    "new file": lambda path: path.with_name("new.bin").write_bytes(b"data"),
    "socket": lambda _: socket.socket().close(),
    "process": lambda _: _fork(),
    "program": lambda _: subprocess.run(["true"], check=True),
}


def attempt(_: None, task: tuple[str, str]) -> str:
    name, path = task
    try:
        ATTEMPTS[name](Path(path))
    except OSError as error:
        return type(error).__name__
    return "done"
