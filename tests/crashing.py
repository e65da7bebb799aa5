"""Jobs that kill their process, importable by a worker process."""

from __future__ import annotations

import os
import signal
import time

from unmask import jobs
from unmask.errors import ManifestError, UnmaskError
from unmask.scan import Scanner
from unmask.values import Scan

_SCAN = jobs._scan


def dies_on_bad(scanner: Scanner, path: str) -> Scan | UnmaskError:
    if path == "bad":
        os._exit(7)
    return _SCAN(scanner, path)


def start() -> int:
    return 100


def start_badly() -> int:
    raise ManifestError("no good", hint="none")


def start_dead() -> int:
    os._exit(3)


def work(state: int, task: int) -> int:
    if task == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 17:
        os._exit(9)
    time.sleep(task % 3 / 100)
    return state + task
