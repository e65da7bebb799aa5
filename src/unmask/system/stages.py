"""Where the time of a scan goes: its stages, each with wall time, CPU time and calls.

Functions carry `@stage("name")`; that costs nothing to speak of until `measure_stages` is entered.
The time of a stage is its own: what other stages inside it took is theirs. CPU time is that of the
calling thread; work that a library does in threads of its own shows in the total alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass
class StageTime:
    """What one stage took so far."""

    calls: int = 0
    """How often it was entered."""
    wall_seconds: float = 0.0
    """Its own time."""
    cpu_seconds: float = 0.0
    """CPU time of the threads that were in it."""
    first_seconds: float = 0.0
    """When it was first entered, from the start of the measurement."""
    last_seconds: float = 0.0
    """When it was last left."""


@dataclass
class _Inside:
    """Time of the stages within one that is running."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass(eq=False)
class Profile:
    """The stages of one measurement."""

    stages: dict[str, StageTime] = field(default_factory=dict)
    """Times by name, in the order in which they were first left."""
    wall_seconds: float = 0.0
    """Of the whole measurement."""
    cpu_seconds: float = 0.0
    """Of the whole process during the measurement, all threads."""
    cpu_before_seconds: float = 0.0
    """Of the process before it: the interpreter and imports."""
    _began: float = field(default_factory=time.perf_counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.local = field(default_factory=threading.local)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as a call of a stage."""
        stack = vars(self._thread).setdefault("stack", [])
        inside = _Inside()
        stack.append(inside)
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            end = time.perf_counter()
            took_wall, took_cpu = end - wall, time.thread_time() - cpu
            stack.pop()
            if stack:
                stack[-1].wall += took_wall
                stack[-1].cpu += took_cpu
            with self._lock:
                times = self.stages.setdefault(name, StageTime(first_seconds=wall - self._began))
                times.calls += 1
                times.wall_seconds += took_wall - inside.wall
                times.cpu_seconds += took_cpu - inside.cpu
                times.last_seconds = end - self._began

    def table(self) -> str:
        """Return the stages as a table, the longest first."""
        head = f"{'stage':24} {'calls':>7} {'wall s':>8} {'CPU s':>8} {'from s':>8} {'to s':>8}"
        ranked = sorted(self.stages.items(), key=lambda item: -item[1].wall_seconds)
        rows = [
            f"{name:24} {t.calls:7d} {t.wall_seconds:8.3f} {t.cpu_seconds:8.3f} "
            f"{t.first_seconds:8.3f} {t.last_seconds:8.3f}"
            for name, t in ranked
        ]
        before = f"{'start and imports':24} {'':7} {'':8} {self.cpu_before_seconds:8.3f}"
        total = f"{'all of the above':24} {'':7} {self.wall_seconds:8.3f} {self.cpu_seconds:8.3f}"
        return "\n".join([head, *rows, total, before])


_active: list[Profile] = []


@contextmanager
def measure_stages() -> Iterator[Profile]:
    """Measure the stages of what happens inside, in all threads of this process."""
    profile = Profile(cpu_before_seconds=time.process_time())
    _active.append(profile)
    start = time.perf_counter()
    try:
        yield profile
    finally:
        _active.remove(profile)
        profile.wall_seconds = time.perf_counter() - start
        profile.cpu_seconds = time.process_time() - profile.cpu_before_seconds


def stage(name: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make a function a stage of that name.

    >>> @stage("adding")
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> with measure_stages() as profile:
    ...     _ = add(1, 2), add(3, 4)
    >>> profile.stages["adding"].calls
    2
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(function)
        def measured(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if not _active:
                return function(*args, **kwargs)
            with _active[-1].stage(name):
                return function(*args, **kwargs)

        return measured

    return decorate


def stage_of_each(name: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and count the making of each as a call of a stage."""
    following = stage(name)(iter(items).__next__)
    while True:
        try:
            item = following()
        except StopIteration:
            return
        yield item
