"""Doing the next items of an iteration while the present one is used.

Decoding leaves the interpreter free while it works, and so does face detection: a thread that
decodes a few frames ahead lets both run at once. Only a bounded number of items waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")
Entry: TypeAlias = tuple[Item] | BaseException | None
"""An item, what was raised instead of one, or the end."""

_LOOK_SECONDS = 0.05
"""How often a full queue looks whether anybody still wants it."""


def ahead(items: Iterable[Item], *, depth: int) -> Iterator[Item]:
    """Yield the items in order, made in a thread up to `depth` ahead.

    What the items raise is raised here, after the items before it. When the caller stops early, the
    thread ends too.

    Args:
        items: made in the thread, one after the other.
        depth: most items that wait.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    waiting: Queue[Entry[Item]] = Queue(depth)
    unwanted = threading.Event()

    def fill() -> None:
        try:
            for item in items:
                if not _offer((item,), waiting, unwanted):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            _offer(error, waiting, unwanted)
        else:
            _offer(None, waiting, unwanted)

    thread = threading.Thread(target=fill, name="unmask-ahead", daemon=True)
    thread.start()
    try:
        while (entry := waiting.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        unwanted.set()
        _drain(waiting)
        thread.join()


def _offer(entry: Entry[Item], waiting: Queue[Entry[Item]], unwanted: threading.Event) -> bool:
    """Put an entry into a queue that may be full; False when nobody wants it any more."""
    while not unwanted.is_set():
        try:
            waiting.put(entry, timeout=_LOOK_SECONDS)
        except Full:
            continue
        return True
    return False


def _drain(waiting: Queue[Entry[Item]]) -> None:
    """Let go of what nobody will use."""
    while True:
        try:
            waiting.get_nowait()
        except Empty:
            return
