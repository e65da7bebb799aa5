"""Worker processes that share a list of tasks; one that dies costs its own task only.

Each worker has a pipe of its own and one task at a time, so that it is known which task a dead
process was at. The next task is handed out only after the caller has taken the result before, so
that a caller who stores each result at once never has more than one unstored per worker. Used
where many files are read: by batches of scans and by the crop store.
"""

from __future__ import annotations

import multiprocessing
import signal
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

_END_SECONDS = 5.0
"""How long an idle worker may take to end."""


@dataclass(frozen=True)
class Crashed:
    """What stands in for the result of a task whose process died."""

    exit_code: int | None
    """Exit code of the process; negative: the signal that ended it."""

    def __str__(self) -> str:
        """Say how it died."""
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
) -> Iterator[tuple[int, Result | Crashed]]:
    """Work on all tasks in worker processes, yielding results as they come.

    Args:
        tasks: what to do; each is pickled.
        start: called once in each process; what it returns is handed to `work`.
        work: does one task. It should turn a failure into a result: an exception ends its process.
        workers: processes at a time.

    Yields:
        Position of the task, and its result.

    Raises:
        AnalysisCrashed: a process died before its first task.
        Exception: whatever `start` raised.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    waiting = deque(enumerate(tasks))
    crew = [_Worker(start, work) for _ in range(min(workers, len(waiting)))]
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
                if waiting:
                    crew.append(_Worker(start, work))
    finally:
        for worker in crew:
            worker.end(at_once=True)


class _Worker(Generic[State, Task, Result]):
    """One process and the task that it is at."""

    def __init__(self, start: Callable[[], State], work: Callable[[State, Task], Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.alive = True
        self._place: int | None = None
        self._process = context.Process(target=_serve, args=(theirs, start, work), daemon=True)
        self._process.start()
        theirs.close()

    def hand(self, place: int, task: Task) -> None:
        """Give it its next task."""
        self._place = place
        with suppress(BrokenPipeError):  # it has just died: its news will say so
            self.pipe.send(task)

    def news(self) -> tuple[int, Result | Crashed] | None:
        """Return a finished task; None where it has only started."""
        try:
            said: Any = self.pipe.recv()
        except (EOFError, OSError):
            return self._died()
        if isinstance(said, _Started):
            if said.error is not None:
                raise said.error
            return None
        place, self._place = self._place, None
        assert place is not None  # noqa: S101 - it speaks only when it was given a task
        return place, said

    def _died(self) -> tuple[int, Crashed]:
        self.alive = False
        self._process.join()
        crash = Crashed(self._process.exitcode)
        if self._place is None:
            raise AnalysisCrashed(
                f"a worker process died before its first task: {crash}",
                hint="run `unmask doctor`; is there enough memory for this many workers?",
            )
        return self._place, crash

    def end(self, *, at_once: bool = False) -> None:
        """Let the process end, or end it."""
        self.pipe.close()
        if not at_once:
            self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._process.close()


def _with_news(crew: list[_Worker[State, Task, Result]]) -> list[_Worker[State, Task, Result]]:
    """Wait until workers have something to say, and return them."""
    ready = wait([worker.pipe for worker in crew])
    return [worker for worker in crew if worker.pipe in ready]


def _serve(
    pipe: Connection[Any, Any],
    start: Callable[[], State],
    work: Callable[[State, Task], Result],
) -> None:
    """Do tasks until the other end of the pipe is closed, be it by the death of the caller."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to act on
    try:
        state = start()
    except Exception as error:  # noqa: BLE001 - handed over to the caller, who raises it
        pipe.send(_Started(error))
        return
    with suppress(EOFError, BrokenPipeError):
        pipe.send(_Started())
        while True:
            pipe.send(work(state, pipe.recv()))
