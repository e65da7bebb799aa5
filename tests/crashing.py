"""Work that kills its process, importable by a worker process in no time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from unmask.core.errors import ManifestError
from unmask.system.workers import Tell


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


def work_and_tell(state: int, task: int, tell: Tell) -> int:
    """Say three things, the last after `task` seconds; as much CPU time is spent where negative."""
    tell.allow("opening", silent_seconds=2.0, total_seconds=1.0 if task < 0 else 60.0)
    tell("halfway", 0.5)
    if task < 0:
        while True:
            pass
    time.sleep(task)
    tell("end", 1.0)
    return state + task


def work_and_talk(state: int, task: int, tell: Tell) -> int:
    tell.allow("talking", silent_seconds=2.0, total_seconds=0.5)
    while True:
        tell(f"{time.monotonic()}", 0.0)


def allocate(state: int, task: int) -> str:
    try:
        return f"{len(bytearray(task)) + state}"
    except MemoryError:
        return "refused"


def work_and_log(log: Path, state: int, task: int) -> int:
    """Note each try at a task in a file, then do it."""
    with log.open("a") as file:
        file.write(f"{task}\n")
    return work(state, task)


def process_id(_state: int, _task: int) -> int:
    """Say which process this is."""
    return os.getpid()
