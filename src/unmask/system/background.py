"""A value that is made in a thread while something else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Background(Generic[Value]):
    """Makes a value from now on; ask for it when it is needed.

    Args:
        make: returns the value.

    >>> Background(lambda: 2 + 3).value()
    5
    """

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._values: list[Value] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="unmask-background", daemon=True)
        self._thread.start()

    def value(self) -> Value:
        """Wait for the value and return it, each time the same.

        Raises:
            BaseException: what `make` raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._values[0]

    def wait(self) -> None:
        """Wait until the value is made or has failed, and say nothing of it."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._values.append(self._make())
        except BaseException as error:  # noqa: BLE001 - raised again where the value is asked for
            self._error = error
