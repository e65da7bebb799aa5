"""A value made in a thread is there when it is asked for, and so is what went wrong."""

from __future__ import annotations

import threading

import pytest

from unmask.system.background import Background


def test_the_caller_goes_on_until_it_asks() -> None:
    go = threading.Event()
    background = Background(lambda: go.wait(10))
    go.set()  # reached only because nobody waits yet
    assert background.value() is True


def test_the_value_is_made_once() -> None:
    background = Background(list[int])
    assert background.value() is background.value()


def test_an_error_is_raised_where_the_value_is_asked_for() -> None:
    def fail() -> int:
        raise ValueError("broken")

    background = Background(fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            background.value()


def test_waiting_says_nothing_of_what_went_wrong() -> None:
    def fail() -> int:
        raise ValueError("broken")

    background = Background(fail)
    background.wait()
    with pytest.raises(ValueError, match="broken"):
        background.value()
