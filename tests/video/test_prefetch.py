"""Working ahead changes the timing and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from unmask.video.prefetch import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(range(100), depth=3)) == list(range(100))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    got = ahead(items(), depth=2)
    assert next(got) == 1
    with pytest.raises(KeyError, match="broken"):
        next(got)


def test_no_more_than_depth_items_wait() -> None:
    numbers: list[int] = []
    got = ahead((numbers.append(n) for n in range(50)), depth=4)
    next(got)
    threading.Event().wait(0.2)
    assert len(numbers) <= 1 + 4 + 1
    got.close()  # type: ignore[attr-defined]


def test_stopping_early_ends_the_thread() -> None:
    got = ahead(iter(int, 1), depth=2)
    next(got)
    got.close()  # type: ignore[attr-defined]
    assert all(thread.name != "unmask-ahead" for thread in threading.enumerate())


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1"):
        next(ahead([1], depth=0))
