"""What may happen to a process that reads a hostile file, or cannot load its libraries."""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType
from typing import NoReturn

from unmask.system.workers import Tell


class _Nothing:
    def __init__(self, job: object) -> None: ...

    def reads(self, path: str) -> list[str]:
        return [path]

    def writes(self, path: str) -> list[str]:
        return []


def _set(jobs: ModuleType, read: object, load: object = _Nothing) -> None:
    vars(jobs).update(_scan=read, _Analysis=load)


def hang(jobs: ModuleType) -> None:
    def read(_state: object, _path: str, _tell: Tell) -> NoReturn:
        sys.stderr.write("hanging\n")
        sys.stderr.flush()
        sum(1 for _ in iter(int, 1))  # as deaf to signals of Python's as native code
        raise AssertionError

    _set(jobs, read)


def exit_while_loading(jobs: ModuleType) -> None:
    class Exits(_Nothing):
        def __init__(self, job: object) -> None:
            os._exit(1)

    _set(jobs, None, Exits)


def _read_and_exit(_state: object, _path: str, tell: Tell) -> NoReturn:
    tell("reading", 0.5)
    os._exit(1)


def exit_while_reading(jobs: ModuleType) -> None:
    _set(jobs, _read_and_exit)  # the second try is in a process that imports it by its name


def load_nothing(jobs: ModuleType) -> None:
    class Fails(_Nothing):
        def __init__(self, job: object) -> None:
            raise ImportError("libx.so: failed to map segment from shared object")

    _set(jobs, None, Fails)


def _crash(_state: object, _path: str, _tell: Tell) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def crash(jobs: ModuleType) -> None:
    _set(jobs, _crash)  # likewise
