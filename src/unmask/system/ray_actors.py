"""The engine `ray`: actors on the machines of a cluster, each with a worker process of its own.

An actor reads no file itself. It holds the same walled process as a run on one machine (`workers`),
which loads the detector once and is replaced where it dies, so that limits, time-outs and results
are the same. Each actor has one task at a time; a task whose actor is lost with its machine goes to
another one. Every machine needs this program, the detector and the files under the same paths.
"""

from __future__ import annotations

import os
import pickle
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from unmask.core.errors import AnalysisCrashed, InputNotFound
from unmask.system.telemetry import stop_telemetry
from unmask.system.workers import Crashed, Duty, LoneWorker, retried

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")

_TRIES = 3
"""How often a task is given to an actor that is then lost, and actors are started in vain."""
_PATIENCE_SECONDS = 120.0
"""How long the cluster may take to give room for a first actor."""
_ANSWER_SECONDS = 10.0
"""How long a cluster may take to answer at its address."""
_NO_SPARE_WORKERS = ("RAY_enable_worker_prestart", "RAY_prestart_worker_first_driver")
"""What Ray would start processes by that a run has no use for: its actors get their own."""
_STORE_BYTES = 200 * 2**20
"""Shared memory of a cluster that is started for a run; one result is there at a time and actor."""


def run_on_ray(
    tasks: Sequence[Task],
    duty: Duty[State, Task, Result],
    *,
    workers: int,
    address: str | None,
    cpus_per_worker: float,
    retry_alone: bool,
) -> Iterator[tuple[int, Result | Crashed]]:
    """Work on all tasks in actors, yielding results as they come.

    Args:
        tasks: what to do; each is pickled.
        duty: what each process does. It is told of no stage: only that a task begins.
        workers: actors.
        address: of the cluster; None: one of this machine alone is started for the run.
        cpus_per_worker: cores that Ray counts for each actor.
        retry_alone: try a task whose process died once more at the end.

    Yields:
        Position of the task, and its result.

    Raises:
        InputNotFound: there is no cluster at this address.
        AnalysisCrashed: the cluster has no room for an actor, or none could start.
        Exception: whatever `duty.start` raised.
    """
    with _cluster(address):

        def run(places: Sequence[int], actors: int) -> Generator[tuple[int, Result | Crashed]]:
            return _Pool(tasks, duty, cpus_per_worker).results(places, actors)

        everything = run(range(len(tasks)), min(workers, len(tasks)))
        if retry_alone:
            yield from retried(everything, lambda place: run([place], 1))
        else:
            yield from everything


class _Supervisor:
    """An actor: keeps a worker process, hands it tasks, and replaces it where it dies.

    Args:
        duty: what the process does.
    """

    def __init__(self, duty: Duty[Any, Any, Any]) -> None:
        # a process that is started from here would load Ray's own program once more
        sys.modules["__main__"].__dict__.pop("__file__", None)
        self._worker = LoneWorker(duty)

    def ready(self) -> None:
        """Say that it is there."""

    def do(self, task: Any) -> bytes:
        """Return a task's result, or a `_Failed`, pickled: Ray locks arrays and wraps errors."""
        try:
            return pickle.dumps(self._worker.do(task))
        except Exception as error:  # noqa: BLE001 - handed over to the caller, who raises it
            return pickle.dumps(_Failed(error))


@dataclass(frozen=True)
class _Failed:
    """What stands in for a result where no process could be started."""

    error: Exception


@dataclass(eq=False)
class _Pool:
    """Actors and the tasks that they are at."""

    tasks: Sequence[Any]
    duty: Duty[Any, Any, Any]
    cpus: float
    starting: dict[Any, Any] = field(default_factory=dict)
    """Actors by the reference of their first word; a cluster without room lets them wait."""
    busy: dict[Any, tuple[Any, int]] = field(default_factory=dict)
    """Actors and places of tasks by the reference of the result."""
    lost: Counter[int | None] = field(default_factory=Counter)
    """How often actors were lost, by the place of the task; None: before they had one."""

    def results(self, places: Sequence[int], actors: int) -> Generator[tuple[int, Any]]:
        """Yield the results of the tasks at some places."""
        waiting = deque(places)
        try:
            for _ in range(actors):
                self._start()
            while waiting or self.busy:
                for reference in self._news():
                    actor, place = self._take(reference)
                    result = self._result(reference, place, waiting)
                    if place is not None and result is not None:
                        yield place, result
                    if result is None or _lost_with_its_machine(result):
                        self._start()
                    elif waiting:
                        self._hand(actor, waiting.popleft())
                    else:
                        _end(actor)
        finally:
            for actor in [*self.starting.values(), *(actor for actor, _ in self.busy.values())]:
                _end(actor)

    def _start(self) -> None:
        import ray

        options = {"num_cpus": self.cpus, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        listen = None if self.duty.listen is None else _ignore
        actor = ray.remote(**options)(_Supervisor).remote(replace(self.duty, listen=listen))
        self.starting[actor.ready.remote()] = actor

    def _hand(self, actor: Any, place: int) -> None:
        if self.duty.listen is not None:
            self.duty.listen(place, "opening", 0.0)
        self.busy[actor.do.remote(self.tasks[place])] = (actor, place)

    def _news(self) -> list[Any]:
        """Wait until an actor has something to say."""
        import ray

        done, _ = ray.wait([*self.starting, *self.busy], timeout=_PATIENCE_SECONDS)
        if not done and not self.busy:
            raise AnalysisCrashed(
                f"the Ray cluster gave no room for a worker within {_PATIENCE_SECONDS:g} s",
                hint="see `ray status`; ask for less with --worker-cpus, or for fewer --workers",
            )
        return list(done)

    def _take(self, reference: Any) -> tuple[Any, int | None]:
        if reference in self.starting:
            return self.starting.pop(reference), None
        return self.busy.pop(reference)

    def _result(self, reference: Any, place: int | None, waiting: deque[int]) -> Any:
        """Return a result, or "ready" of an actor that has only started; None: it was lost."""
        import ray

        try:
            answer = ray.get(reference)
        except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
            self.lost[place] += 1
            if self.lost[place] < _TRIES:
                if place is not None:
                    waiting.appendleft(place)
                return None
            if place is None:
                raise AnalysisCrashed(
                    f"workers cannot start on the Ray cluster: {str(error).splitlines()[0]}",
                    hint="is this program installed on each of its machines, in this version?",
                ) from error
            return Crashed(None, tries=_TRIES)
        if place is None:
            self.lost[None] = 0
            return "ready"
        result = pickle.loads(answer)  # noqa: S301 - comes from this program's own actor
        if isinstance(result, _Failed):
            raise result.error
        return result


def _lost_with_its_machine(result: Any) -> bool:
    return isinstance(result, Crashed) and result.exit_code is None


def _end(actor: Any) -> None:
    import ray

    ray.kill(actor)


def _ignore(_place: int, _stage: str, _share: float) -> None:
    """Hear how far a task is, where nobody can be told."""


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one that is gone at the end."""
    stop_telemetry()
    if address is None and "ray" not in sys.modules:  # it reads these when it is loaded
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # else it would keep one in the home folder
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        for name in _NO_SPARE_WORKERS:
            os.environ.setdefault(name, "0")
    import ray

    if ray.is_initialized():
        yield
        return
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="unmask-ray-", ignore_cleanup_errors=True)
        named = stack.enter_context(folder)
        stack.callback(ray.shutdown)
        if address is None:
            _start_here(named)
        else:
            _connect(address)
        yield


def _start_here(folder: str) -> None:
    """Start a cluster of this machine alone, which nobody else can reach.

    Args:
        folder: for what it leaves behind.
    """
    own = {
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": folder,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        try:
            _init("local", **own)
        except Exception:  # noqa: BLE001 - a bare one; it gives itself 30 s, too few on a busy machine
            _init("local", **own)
    except Exception as error:
        raise AnalysisCrashed(
            f"Ray could not be started: {str(error).splitlines()[0]}",
            hint="is the machine busy? Try again, or leave --engine ray away: on one machine both "
            "engines give the same",
        ) from error


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal() and "/" not in host:  # Ray would knock for a quarter of an hour
            with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS):
                pass
        _init(address)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        raise InputNotFound(
            f"no Ray cluster at {address!r}: {str(error).splitlines()[0]}",
            hint="start one with `ray start --head`, or leave --address away",
        ) from error


def _init(address: str, **more: Any) -> None:
    import ray

    # Ray would end a program at SIGTERM in its own way; ours writes what it has
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address, log_to_driver=False, logging_level="ERROR", **more)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
