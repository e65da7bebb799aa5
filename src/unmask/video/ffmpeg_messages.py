"""What FFmpeg says while it reads a file: the only trace of much damage.

PyAV hands FFmpeg's log to Python, for the whole process at once. Messages of the thread that calls
FFmpeg are told apart by that thread. Those of a decoder's own threads are not, so that only one
decoder at a time may have threads, and the others decode in the thread that reads them.

A decoder's threads need Python's lock to hand over a message, and PyAV holds that lock while it
frees a decoder, which waits for the decoder's threads. So every decoder is flushed first, which
waits without the lock (`source.close_decoder`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Self

import av
import av.logging

_MOST_MESSAGES = 1000
"""Messages that are kept between two packets; a hostile file could make millions."""
_DAMAGE_BELOW_ERROR = re.compile(r"conceal|corrupt|damaged|undecodable", re.IGNORECASE)
"""Warnings that speak of damage."""
_HARMLESS = re.compile(
    r"APP fields"  # tags inside a JPEG picture
    r"|missing picture in access unit"  # a packet of headers alone
    r"|UDTA parsing"
    r"|Packet corrupt"  # the packet is marked as well
    r"|packed B-frames|max_analyze|unspecified size|not enough frames to estimate rate",
    re.IGNORECASE,
)
"""Errors that say nothing about the picture."""


@dataclass(frozen=True)
class Message:
    """One line of FFmpeg's log."""

    level: int
    """FFmpeg's level: the smaller, the worse."""
    component: str
    """Name of the demuxer or codec."""
    text: str
    """What it says, on one line."""

    @property
    def is_damage(self) -> bool:
        """Whether it speaks of damage to the picture."""
        if _HARMLESS.search(self.text):
            return False
        return self.level <= av.logging.ERROR or bool(_DAMAGE_BELOW_ERROR.search(self.text))


class _Process:
    """The state of FFmpeg's log, which the process has once."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.listeners = 0
        self.with_threads: Listener | None = None
        self.elsewhere = av.logging.Capture(local=False)
        self.before: tuple[int | None, bool] = (None, True)

    def begin(self) -> None:
        self.before = av.logging.get_level(), av.logging.get_skip_repeated()
        self.elsewhere = av.logging.Capture(local=False)
        self.elsewhere.__enter__()
        av.logging.set_skip_repeated(False)
        # concealment is told at this level
        av.logging.set_level(max(self.before[0] or 0, av.logging.INFO))

    def end(self) -> None:
        av.logging.set_level(self.before[0])
        av.logging.set_skip_repeated(self.before[1])
        self.elsewhere.__exit__(None, None, None)


_process = _Process()


class Listener:
    """Hears what FFmpeg says about one file; use it as a context.

    Attributes:
        may_use_threads: whether the decoder may have threads of its own.
    """

    def __init__(self) -> None:
        self.may_use_threads = False
        self._heard: list[tuple[int, str, str]] = []

    def __enter__(self) -> Self:
        """Begin to listen."""
        with _process.lock:
            if _process.listeners == 0:
                _process.begin()
            _process.listeners += 1
            if _process.with_threads is None:
                _process.with_threads = self
                _process.elsewhere.logs.clear()
                self.may_use_threads = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        with _process.lock:
            if self.may_use_threads:
                _process.with_threads = None
            _process.listeners -= 1
            if _process.listeners == 0:
                _process.end()

    @contextmanager
    def during(self) -> Iterator[None]:
        """Hear what is said in this thread meanwhile."""
        with av.logging.Capture(local=True) as heard:
            try:
                yield
            finally:
                self._heard += heard[:_MOST_MESSAGES]

    def take(self, *components: str) -> list[Message]:
        """Return what these components said since the last time, in order for each thread."""
        heard, self._heard = self._heard, []
        if self.may_use_threads:
            elsewhere = _process.elsewhere.logs
            count = len(elsewhere)
            heard += elsewhere[: min(count, _MOST_MESSAGES)]
            del elsewhere[:count]  # not all: a thread may have added one by now
        return [
            Message(level, name, " ".join(text.split()))
            for level, name, text in heard
            if name in components
        ]
