"""Stages count calls, and only their own time."""

from __future__ import annotations

import threading
import time

import pytest

from unmask.system.stages import measure_stages, stage, stage_of_each


@stage("inner")
def inner() -> None:
    time.sleep(0.02)


@stage("outer")
def outer() -> None:
    inner()
    time.sleep(0.01)


def test_a_stage_counts_its_own_time_alone() -> None:
    with measure_stages() as profile:
        outer()
    times = profile.stages
    assert (times["inner"].calls, times["outer"].calls) == (1, 1)
    assert times["inner"].wall_seconds >= 0.02
    both = times["inner"].wall_seconds + times["outer"].wall_seconds
    whole = times["outer"].last_seconds - times["outer"].first_seconds
    assert both == pytest.approx(whole, abs=1e-3)
    assert profile.wall_seconds >= both


def test_a_stage_that_raises_is_counted_and_left() -> None:
    @stage("failing")
    def fail() -> None:
        raise KeyError("this")

    with measure_stages() as profile:
        with pytest.raises(KeyError, match="this"):
            fail()
        inner()
    assert profile.stages["failing"].calls == 1
    assert profile.stages["inner"].wall_seconds >= 0.02


def test_threads_do_not_take_time_from_each_other() -> None:
    with measure_stages() as profile:
        threads = [threading.Thread(target=outer) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert profile.stages["inner"].calls == 3
    assert profile.stages["outer"].wall_seconds >= 0.03


def test_each_item_is_a_call() -> None:
    with measure_stages() as profile:
        assert list(stage_of_each("counting", range(3))) == [0, 1, 2]
    assert profile.stages["counting"].calls == 4  # the last one finds the end


def test_the_table_names_every_stage_and_the_whole() -> None:
    with measure_stages() as profile:
        outer()
    lines = profile.table().splitlines()
    assert lines[0].split()[:2] == ["stage", "calls"]
    assert {line.split()[0] for line in lines[1:3]} == {"inner", "outer"}
    assert "start and imports" in lines[-1]


def test_outside_of_a_measurement_nothing_is_kept() -> None:
    with measure_stages() as profile:
        pass
    outer()
    assert profile.stages == {}
