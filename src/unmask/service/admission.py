"""Whether the queue is known to be full, from memory, before anything of a request is read.

The database decides what is accepted (`Queue.accept`), one transaction after another. Under a burst
those who will be refused anyway would wait for theirs, so they are refused here: by the number of
scans that the database last told, and by how many files are just being received.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.types import Scope

from unmask.service.problems import Problem, too_many

_ROUTES = frozenset({"/v1/scans", "/v1/uploads"})
_RETRY_SECONDS = 10
"""After which a caller who was refused may ask again."""
_HOLD_SECONDS = 10.0
"""How long a file that is being received holds a place: a slow sender must not keep others out."""


def queue_full(waiting: int) -> Problem:
    """Return the answer while too many scans wait or run."""
    text = f"{waiting} scans are waiting, more are not accepted now. Try again later."
    return too_many("queue-full", text, seconds=_RETRY_SECONDS)


class Admission:
    """Counts what fills the queue.

    Args:
        limit: scans that may wait or run.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._received: dict[int, float] = {}
        self._numbers = 0
        self._lock = threading.Lock()

    def update(self, waiting: int) -> None:
        """Take the number of scans that wait or run from the database, which others fill too."""
        with self._lock:
            self._waiting = waiting

    def add(self, count: int) -> None:
        """Count scans that were accepted, or less than none that ended, between two updates."""
        with self._lock:
            self._waiting = max(0, self._waiting + count)

    def refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """Return the answer to a request that brings a file while the queue is full.

        A repeated request (`Idempotency-Key`) may be answered with its earlier scan, so it passes.
        """
        if not _brings_file(scope) or "idempotency-key" in headers:
            return None
        with self._lock:
            now = time.monotonic()
            coming = sum(now - began < _HOLD_SECONDS for began in self._received.values())
            full = self._waiting + coming
        return queue_full(full) if full >= self._limit else None

    @contextmanager
    def receiving(self, scope: Scope) -> Iterator[None]:
        """Hold a place for the file of a request until it is answered."""
        if not _brings_file(scope):
            yield
            return
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._received[number] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._received[number]


def _brings_file(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"] in _ROUTES
