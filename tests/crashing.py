"""Work that kills its process, importable by a worker process in no time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from unmask.errors import ManifestError


def start() -> int:
    return 100


def start_badly() -> int:
    raise ManifestError("no good", hint="none")


def start_alone(taken: Path) -> int:
    try:
        taken.touch(exist_ok=False)
    except FileExistsError:
        raise ManifestError("no room", hint="none") from None
    return 100


def start_dead() -> int:
    os._exit(3)


def work(state: int, task: int) -> int:
    if task == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 17:
        os._exit(9)
    if task == 18:
        os.kill(os.getpid(), signal.SIGTERM)
    if task == 99:
        time.sleep(600)
    time.sleep(task % 3 / 100)
    return state + task
