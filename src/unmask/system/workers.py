"""Worker processes that share a list of tasks; one that dies costs its own task only.

Each worker has a pipe of its own and one task at a time, so that it is known which task a dead
process was at. The next task is handed out only after the caller has taken the result before, so
that a caller who stores each result at once never has more than one unstored per worker. Used
where files are read: by scans, of one file too, and by the crop store.

A worker obeys no signal but SIGKILL, and native code that hangs obeys none other anyway: whoever
started it ends it, at once, and it ends itself where that process is gone.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from unmask.core.errors import AnalysisCrashed
from unmask.system.walls import alone_with, forbid_system_calls, limit_cpu, limit_resources

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
_NEWS_SECONDS = 0.1
"""Least time between two words on the same stage: a bar needs no more, and each costs a write."""
_THREADED = frozenset({"numpy", "onnxruntime", "av", "pyarrow", "torch"})
"""Modules that start threads of their own when they are loaded: no process is copied after that."""

Limit = Literal["total", "silent"]
"""What was exceeded: all the time that a task may take, or that without a word of it."""


@dataclass(frozen=True)
class Crashed:
    """What stands in for the result of a task whose process died."""

    exit_code: int | None
    """Exit code of the process; negative: the signal that ended it; None where its machine was
    lost, so that nobody knows."""
    after_seconds: float | None = None
    """The time that the task had, where its process was ended for taking longer."""
    limit: Limit = "total"
    """Which time that was."""
    stage: str | None = None
    """What the task was at, in its own words; None where it said nothing."""
    tries: int = 1
    """How often it was tried; the second time no other task ran."""

    @property
    def out_of_time(self) -> bool:
        """Whether it was ended for taking too long, however that was measured."""
        return self.after_seconds is not None or self.out_of_cpu_time

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it, as the system does where memory runs out."""
        return self.exit_code == -_SIGKILL

    @property
    def out_of_cpu_time(self) -> bool:
        """Whether the system ended it at the limit that the task set with `Tell.allow`."""
        return self.exit_code is not None and self.exit_code == -getattr(signal, "SIGXCPU", 0)

    def __str__(self) -> str:
        """Say how it died."""
        if self.after_seconds is not None:
            return f"ended after {self.after_seconds:g} s"
        if self.exit_code is None:
            return "lost with its machine"
        if self.exit_code < 0:
            return f"ended by {signal.Signals(-self.exit_code).name}"
        return f"exit code {self.exit_code}"


@dataclass(frozen=True)
class _Started:
    """First word of a worker: it can take a task, or why it cannot."""

    error: Exception | None = None


@dataclass(frozen=True)
class _News:
    """How far a task is, and how long it may take from here."""

    stage: str
    share: float
    silent_seconds: float
    total_seconds: float


@dataclass(frozen=True)
class _Finished:
    """A task's result."""

    result: Any


class Tell:
    """What a task says of itself while it runs, to the process that waits for it.

    Args:
        pipe: to that process.
    """

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self._pipe = pipe
        self._silent_seconds = self._total_seconds = math.inf
        self._last: tuple[str, float] = ("", -math.inf)

    def __call__(self, stage: str, share: float) -> None:
        """Say what is being done and how much of it is done, 0 to 1; soon repeated, it is not sent.

        Args:
            stage: its name.
            share: the part of it that is done.
        """
        now = time.monotonic()
        if stage == self._last[0] and now - self._last[1] < _NEWS_SECONDS:
            return
        self._last = (stage, now)
        self._pipe.send(_News(stage, share, self._silent_seconds, self._total_seconds))

    def allow(self, stage: str, *, silent_seconds: float, total_seconds: float) -> None:
        """Say how long the task may take; longer, and its process is ended.

        The same total of CPU time on every core ends the process without anyone's help.

        Args:
            stage: what begins now.
            silent_seconds: most time from one word to the next, from now on.
            total_seconds: most time from the task's start.
        """
        self._silent_seconds, self._total_seconds = silent_seconds, total_seconds
        limit_cpu(total_seconds * (os.cpu_count() or 1))
        self._last = ("", -math.inf)
        self(stage, 0.0)


Work = Callable[[State, Task], Result] | Callable[[State, Task, Tell], Result]
Listen = Callable[[int, str, float], None]
"""Called with the position of a task, what it is at, and the share of that which is done."""


@dataclass(frozen=True, eq=False)
class Duty(Generic[State, Task, Result]):
    """What every process of a run does, and within which limits; see `run_all`."""

    start: Callable[[], State]
    """Called once in each process; what it returns is handed to `work`."""
    work: Work[State, Task, Result]
    """Does one task."""
    timeout_seconds: float | None = None
    """Most time that a task may take; None: any."""
    memory_bytes: int | None = None
    """Most memory for the data of a process; None: any."""
    listen: Listen | None = None
    """Is told how far tasks are; `work` then takes a `Tell` as its third argument."""
    renew_after: int | None = None
    """Tasks after which a process gives way to a fresh one; None: never."""
    reads: Callable[[State, Task], Sequence[str | Path]] | None = None
    """Names the files and folders that a task reads. It can open no others then, write nothing,
    reach no network and start no process, where the system has such walls; None: without them."""
    writes: Callable[[State, Task], Sequence[Path]] | None = None
    """Names the folders that a task may write in, behind these walls; None: in none."""


def run_all(
    tasks: Sequence[Task],
    start: Callable[[], State],
    work: Work[State, Task, Result],
    *,
    workers: int,
    timeout_seconds: float | None = None,
    memory_bytes: int | None = None,
    listen: Listen | None = None,
    renew_after: int | None = None,
    retry_alone: bool = False,
) -> Iterator[tuple[int, Result | Crashed]]:
    """Work on all tasks in worker processes, which start now, yielding results as they come.

    Args:
        tasks: what to do; each is pickled.
        start: called once in each process; what it returns is handed to `work`.
        work: does one task. It should turn a failure into a result: an exception ends its process.
        workers: processes at a time.
        timeout_seconds: most time that a task may take, its process is ended then; None: any.
        memory_bytes: most memory for the data of a process; more is refused to it; None: any.
        listen: is told how far tasks are; `work` then takes a `Tell` as its third argument.
        renew_after: tasks after which a process gives way to a fresh one, so that what libraries
            leak is not kept for long; None: never.
        retry_alone: try a task whose process died once more at the end, with no other beside it:
            it may have lacked memory that others had. What took too long is not tried again.

    Yields:
        Position of the task, and its result.

    Raises:
        AnalysisCrashed: a process died before its first task, and no other is left for the rest.
        Exception: whatever `start` raised, likewise.
    """
    duty = Duty(start, work, timeout_seconds, memory_bytes, listen, renew_after)
    return run_duty(tasks, duty, workers=workers, retry_alone=retry_alone)


def run_duty(
    tasks: Sequence[Task],
    duty: Duty[State, Task, Result],
    *,
    workers: int,
    retry_alone: bool = False,
) -> Iterator[tuple[int, Result | Crashed]]:
    """Do what `run_all` does, with all that concerns each process in one value."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    crew = [_Worker(duty) for _ in range(min(workers, len(tasks)))]
    results = _results(deque(range(len(tasks))), tasks, duty, crew)
    if not retry_alone:
        return results

    def again(place: int) -> Iterator[tuple[int, Result | Crashed]]:
        return _results(deque([place]), tasks, duty, [_Worker(duty)])

    return retried(results, again)


def retried(
    results: Generator[tuple[int, Result | Crashed]],
    again: Callable[[int], Iterator[tuple[int, Result | Crashed]]],
) -> Iterator[tuple[int, Result | Crashed]]:
    """Yield results, then those of a second try of each task whose process died.

    Args:
        results: of all tasks, by place.
        again: does the task at a place once more, with no other beside it.
    """
    died: list[int] = []
    with closing(results):
        for place, result in results:
            if isinstance(result, Crashed) and not result.out_of_time:
                _log.info("a process died (%s): its task is tried again at the end", result)
                died.append(place)
            else:
                yield place, result
    for place in died:
        for _, result in again(place):
            yield place, replace(result, tries=2) if isinstance(result, Crashed) else result


def _results(
    waiting: deque[int],
    tasks: Sequence[Task] | Mapping[int, Task],
    duty: Duty[State, Task, Result],
    crew: list[_Worker[State, Task, Result]],
) -> Generator[tuple[int, Result | Crashed]]:
    try:
        while crew:
            for worker in _with_news(crew):
                if (done := worker.news()) is not None:
                    yield done
                elif worker.busy:
                    continue
                if worker.alive and waiting and not worker.spent:
                    worker.hand(place := waiting.popleft(), tasks[place])
                    continue
                crew.remove(worker)
                worker.end()
                if worker.failed is not None and waiting:
                    if not crew:
                        raise worker.failed
                    _log.warning("%s; workers left: %d", worker.failed, len(crew))
                elif waiting:
                    crew.append(_Worker(duty))
    finally:
        for worker in crew:
            worker.end(at_once=True)


class LoneWorker(Generic[State, Task, Result]):
    """A worker process for tasks that come one at a time; one that dies is replaced.

    Args:
        duty: what it does.
    """

    def __init__(self, duty: Duty[State, Task, Result]) -> None:
        self._waiting: deque[int] = deque()
        self._task: dict[int, Task] = {}
        crew = [_Worker(duty)]
        results = _results(self._waiting, self._task, duty, crew)
        self._results = results

    def do(self, task: Task) -> Result | Crashed:
        """Do a task.

        Raises:
            AnalysisCrashed: the process died before its first task.
            Exception: whatever the duty's `start` raised.
        """
        self._task[0] = task
        self._waiting.append(0)
        return next(self._results)[1]

    def end(self) -> None:
        """End the process."""
        self._results.close()


class _Worker(Generic[State, Task, Result]):
    """One process and the task that it is at."""

    def __init__(self, duty: Duty[State, Task, Result]) -> None:
        context: Any = multiprocessing.get_context(_method())
        self.pipe, theirs = context.Pipe()
        self.alive = True
        self.failed: Exception | None = None
        self.deadline = math.inf
        self._duty = duty
        self._place: int | None = None
        self._tasks = 0
        self._total = self._silent = math.inf
        self._began = 0.0
        self._news: _News | None = None
        copied = self.pipe if context.get_start_method() == "fork" else None
        tells = duty.listen is not None
        serve = (
            theirs,
            copied,
            duty.start,
            duty.work,
            duty.memory_bytes,
            tells,
            duty.reads,
            duty.writes,
        )
        self._process = context.Process(target=_serve, args=serve, daemon=True)
        self._process.start()
        theirs.close()
        # at exit multiprocessing would end it with SIGTERM, which it does not mind
        self._kill = weakref.finalize(self, self._process.kill)

    @property
    def busy(self) -> bool:
        """Whether it is at a task."""
        return self.alive and self._place is not None

    @property
    def spent(self) -> bool:
        """Whether it has done as many tasks as one process shall."""
        most = self._duty.renew_after
        return most is not None and self._tasks >= most

    def hand(self, place: int, task: Task) -> None:
        """Give it its next task."""
        self._tasks += 1
        self._place, self._news = place, None
        self._began = time.monotonic()
        own = self._duty.timeout_seconds
        self._total, self._silent = math.inf if own is None else self._began + own, math.inf
        self.deadline = self._total
        with suppress(BrokenPipeError):  # it has just died: its news will say so
            self.pipe.send(task)

    def news(self) -> tuple[int, Result | Crashed] | None:
        """Return a finished task; None where it goes on, has only started, or `failed` to."""
        try:
            if not self.pipe.poll():  # its time is over
                return self._overdue()
            message: Any = self.pipe.recv()
        except (EOFError, OSError):
            return self._died()
        if isinstance(message, _Started):
            self.failed = message.error
            self.alive = message.error is None
            return None
        place = self._place
        assert place is not None  # noqa: S101 - it speaks only when it was given a task
        if isinstance(message, _News):
            self._hear(place, message)
            # one that never stops talking would never be seen to be late
            return self._overdue() if time.monotonic() > self._total else None
        self._place, self.deadline = None, math.inf
        return place, message.result

    def _hear(self, place: int, news: _News) -> None:
        """Note how far the task is, and until when the next word is due."""
        self._news = news
        self._silent = time.monotonic() + news.silent_seconds
        if self._duty.timeout_seconds is None:
            self._total = self._began + news.total_seconds
        self.deadline = min(self._total, self._silent)
        if self._duty.listen is not None:
            self._duty.listen(place, news.stage, news.share)

    def _overdue(self) -> tuple[int, Crashed] | None:
        self._process.kill()
        if self._silent < self._total and self._news is not None:
            return self._died(self._news.silent_seconds, "silent")
        return self._died(self._total - self._began)

    def _died(
        self, after_seconds: float | None = None, limit: Limit = "total"
    ) -> tuple[int, Crashed] | None:
        self.alive = False
        self._process.join()
        stage = None if self._news is None else self._news.stage
        crash = Crashed(self._process.exitcode, after_seconds, limit, stage)
        if self._place is None:
            self.failed = AnalysisCrashed(
                f"a worker process died before its first task: {crash}",
                hint="run `unmask doctor`; is there enough memory for this many workers?",
            )
            self.failed.killed = crash.killed  # then it is worth another try
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


def _method() -> str:
    """Return how to start a process: as a copy of this one where that is safe, else from nothing.

    A copy is there at once, while a new interpreter takes the time of its imports. But only the
    thread that asks for it is copied: other threads' locks would stay locked for ever. The command
    line has none of them, nor the libraries that start them, when it asks for its first worker.
    """
    alone = threading.active_count() == 1 and _THREADED.isdisjoint(sys.modules)
    others = multiprocessing.active_children()  # a copy would keep the ends of their pipes open
    return "fork" if sys.platform == "linux" and alone and not others else "spawn"


def _serve(  # noqa: PLR0917 - handed over by position to a process
    pipe: Connection[Any, Any],
    copied: Connection[Any, Any] | None,
    start: Callable[[], State],
    work: Callable[..., Result],
    memory_bytes: int | None,
    tells: bool,
    reads: Callable[[State, Any], Sequence[str | Path]] | None,
    writes: Callable[[State, Any], Sequence[Path]] | None,
) -> None:
    """Do tasks until the other end of the pipe is closed, be it by the death of the caller.

    Args:
        pipe: where tasks come from.
        copied: the other end, where this process is a copy that has it too.
        start: as for `run_all`.
        work: as for `run_all`.
        memory_bytes: as for `run_all`.
        tells: whether `work` takes a `Tell`.
        reads: as in a `Duty`.
        writes: as in a `Duty`.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to the whole group; the caller acts on them
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)
    if copied is not None:
        copied.close()
    limit_resources(memory_bytes)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        state = start()
    except Exception as error:  # noqa: BLE001 - handed over to the caller, who raises it
        pipe.send(_Started(error))
        return
    if reads is not None:
        forbid_system_calls()
    more = (Tell(pipe),) if tells else ()
    with suppress(EOFError, BrokenPipeError):
        pipe.send(_Started())
        while True:
            task = pipe.recv()
            do = partial(work, state, task, *more)
            if reads is not None:
                folders = () if writes is None else writes(state, task)
                do = partial(alone_with, reads(state, task), do, writes=folders)
            result = do()
            pipe.send(_Finished(result))


def _end_with_parent() -> None:
    """End this process, whatever it is at, when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
