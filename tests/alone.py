"""What worker processes share, done in this one: a new process takes a second for its imports.

Worker processes have tests of their own: of `run_all`, and for each room that uses it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from unmask.system.workers import Duty


def all_here(
    tasks: Sequence[Any],
    start: Callable[[], Any],
    work: Callable[..., Any],
    *,
    workers: int,
    timeout_seconds: float | None = None,
    memory_bytes: int | None = None,
    listen: Callable[[int, str, float], None] | None = None,
    renew_after: int | None = None,
    retry_alone: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Stand in for `workers.run_all`; what goes between processes is pickled here too."""
    state = _sent(start)() if tasks else None
    for place, task in enumerate(tasks):
        tells = () if listen is None else (_Heard(partial(listen, place)),)
        yield place, _sent(_sent(work)(state, _sent(task), *tells))


def duty_here(
    tasks: Sequence[Any], duty: Duty[Any, Any, Any], *, workers: int, retry_alone: bool = False
) -> Iterator[tuple[int, Any]]:
    """Stand in for `workers.run_duty`."""
    return all_here(tasks, duty.start, duty.work, workers=workers, listen=duty.listen)


class _Heard:
    """Stands in for `workers.Tell`, without limits."""

    def __init__(self, listen: Callable[[str, float], None]) -> None:
        self._listen = listen

    def __call__(self, stage: str, share: float) -> None:
        self._listen(stage, share)

    def allow(self, stage: str, **_: float) -> None:
        self._listen(stage, 0.0)


def _sent(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


@contextmanager
def in_one_process() -> Iterator[None]:
    """Let the rooms that read many files do so here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unmask.system.engines.run_duty", duty_here)
        yield
