"""Worker processes that share a list of tasks; one that dies costs its own task only.

Each worker has a pipe of its own and one task at a time, so that it is known which task a dead
process was at. The next task is handed out only after the caller has taken the result before, so
that a caller who stores each result at once never has more than one unstored per worker. Used
where many files are read: by batches of scans and by the crop store.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from unmask.errors import AnalysisCrashed

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_END_SECONDS = 5.0
"""How long an idle worker may take to end."""
_WAIT_SECONDS = 3600.0
"""Most time that is waited for news at once: the system takes no number of any size."""
_SIGKILL = 9
"""Its number, as `signal` has no name for it on Windows."""


@dataclass(frozen=True)
class Crashed:
    """What stands in for the result of a task whose process died."""

    exit_code: int | None
    """Exit code of the process; negative: the signal that ended it."""
    after_seconds: float | None = None
    """The time that the task had, where its process was ended for taking longer."""

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it, as the system does where memory runs out."""
        return self.exit_code == -_SIGKILL

    def __str__(self) -> str:
        """Say how it died."""
        if self.after_seconds is not None:
            return f"ended after {self.after_seconds:g} s"
        if self.exit_code is not None and self.exit_code < 0:
            return f"ended by {signal.Signals(-self.exit_code).name}"
        return f"exit code {self.exit_code}"


@dataclass(frozen=True)
class _Started:
    """First word of a worker: it can take a task, or why it cannot."""

    error: Exception | None = None


def run_all(
    tasks: Sequence[Task],
    start: Callable[[], State],
    work: Callable[[State, Task], Result],
    *,
    workers: int,
    timeout_seconds: float | None = None,
) -> Iterator[tuple[int, Result | Crashed]]:
    """Work on all tasks in worker processes, yielding results as they come.

    Args:
        tasks: what to do; each is pickled.
        start: called once in each process; what it returns is handed to `work`.
        work: does one task. It should turn a failure into a result: an exception ends its process.
        workers: processes at a time.
        timeout_seconds: most time that a task may take, its process is ended then; None: any.

    Yields:
        Position of the task, and its result.

    Raises:
        AnalysisCrashed: a process died before its first task, and no other is left for the rest.
        Exception: whatever `start` raised, likewise.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    waiting = deque(enumerate(tasks))
    crew = [_Worker(start, work, timeout_seconds) for _ in range(min(workers, len(waiting)))]
    try:
        while crew:
            for worker in _with_news(crew):
                if (done := worker.news()) is not None:
                    yield done
                if worker.alive and waiting:
                    worker.hand(*waiting.popleft())
                    continue
                crew.remove(worker)
                worker.end()
                if worker.failed is not None and waiting:
                    if not crew:
                        raise worker.failed
                    _log.warning("%s; workers left: %d", worker.failed, len(crew))
                elif waiting:
                    crew.append(_Worker(start, work, timeout_seconds))
    finally:
        for worker in crew:
            worker.end(at_once=True)


class _Worker(Generic[State, Task, Result]):
    """One process and the task that it is at."""

    def __init__(
        self,
        start: Callable[[], State],
        work: Callable[[State, Task], Result],
        timeout_seconds: float | None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.alive = True
        self.failed: Exception | None = None
        self.deadline = math.inf
        self._timeout_seconds = timeout_seconds
        self._place: int | None = None
        self._process = context.Process(target=_serve, args=(theirs, start, work), daemon=True)
        self._process.start()
        theirs.close()
        # at exit multiprocessing would end it with SIGTERM, which it does not mind
        self._kill = weakref.finalize(self, self._process.kill)

    def hand(self, place: int, task: Task) -> None:
        """Give it its next task."""
        self._place = place
        if self._timeout_seconds is not None:
            self.deadline = time.monotonic() + self._timeout_seconds
        with suppress(BrokenPipeError):  # it has just died: its news will say so
            self.pipe.send(task)

    def news(self) -> tuple[int, Result | Crashed] | None:
        """Return a finished task; None where it has only started, or `failed` to."""
        try:
            if not self.pipe.poll():  # its time is over
                self._process.kill()
                return self._died(after_seconds=self._timeout_seconds)
            said: Any = self.pipe.recv()
        except (EOFError, OSError):
            return self._died()
        if isinstance(said, _Started):
            self.failed = said.error
            self.alive = said.error is None
            return None
        place, self._place = self._place, None
        assert place is not None  # noqa: S101 - it speaks only when it was given a task
        return place, said

    def _died(self, after_seconds: float | None = None) -> tuple[int, Crashed] | None:
        self.alive = False
        self._process.join()
        crash = Crashed(self._process.exitcode, after_seconds)
        if self._place is None:
            self.failed = AnalysisCrashed(
                f"a worker process died before its first task: {crash}",
                hint="run `unmask doctor`; is there enough memory for this many workers?",
            )
            return None
        return self._place, crash

    def end(self, *, at_once: bool = False) -> None:
        """Let the process end, or end it."""
        self._kill.detach()
        self.pipe.close()
        if not at_once:
            self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _with_news(crew: list[_Worker[State, Task, Result]]) -> list[_Worker[State, Task, Result]]:
    """Wait until workers have something to say or have run out of time, and return them."""
    first = min(worker.deadline for worker in crew)
    left = None if first == math.inf else min(max(0.0, first - time.monotonic()), _WAIT_SECONDS)
    ready = wait([worker.pipe for worker in crew], left)
    now = time.monotonic()
    return [worker for worker in crew if worker.pipe in ready or worker.deadline <= now]


def _serve(
    pipe: Connection[Any, Any],
    start: Callable[[], State],
    work: Callable[[State, Task], Result],
) -> None:
    """Do tasks until the other end of the pipe is closed, be it by the death of the caller."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to the whole group; the caller acts on them
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    try:
        state = start()
    except Exception as error:  # noqa: BLE001 - handed over to the caller, who raises it
        pipe.send(_Started(error))
        return
    with suppress(EOFError, BrokenPipeError):
        pipe.send(_Started())
        while True:
            pipe.send(work(state, pipe.recv()))
