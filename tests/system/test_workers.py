"""Worker processes: every task answered once, a death named with its task, nothing left behind."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from crashing import (
    allocate,
    process_id,
    start,
    start_alone,
    start_badly,
    start_dead,
    work,
    work_and_log,
    work_and_talk,
    work_and_tell,
)
from unmask.core.errors import AnalysisCrashed, ManifestError
from unmask.system.walls import limit_cpu
from unmask.system.workers import Crashed, run_all


@pytest.mark.parametrize("workers", [1, 2, 12])
def test_every_task_is_answered_once_whoever_dies(workers: int) -> None:
    tasks = list(range(10, 20))
    result = dict(run_all(tasks, start, work, workers=workers))
    assert {tasks[place] for place, r in result.items() if isinstance(r, Crashed)} == {13, 17}
    assert {tasks[p]: r for p, r in result.items() if not isinstance(r, Crashed)} == {
        task: 100 + task for task in tasks if task not in {13, 17}
    }


def test_a_crash_says_how_the_process_died() -> None:
    result = dict(run_all([13, 17], start, work, workers=1))
    assert [str(result[place]) for place in (0, 1)] == ["ended by SIGKILL", "exit code 9"]


def test_no_task_needs_no_process() -> None:
    assert list(run_all([], start_dead, work, workers=2)) == []


def test_a_failed_start_reaches_the_caller() -> None:
    with pytest.raises(ManifestError, match="no good"):
        list(run_all([1], start_badly, work, workers=2))


def test_one_that_cannot_start_leaves_its_tasks_to_the_others(tmp_path: Path) -> None:
    start_one = partial(start_alone, tmp_path / "taken")
    result = dict(run_all(list(range(30, 50)), start_one, work, workers=2))
    assert result == {place: 130 + place for place in range(20)}


def test_a_task_that_takes_too_long_is_ended_and_the_next_is_done() -> None:
    slow, quick = run_all([99, 10], start, work, workers=1, timeout_seconds=0.5)
    assert (slow[0], str(slow[1])) == (0, "ended after 0.5 s")
    assert quick == (1, 110)
    assert list(run_all([10], start, work, workers=1, timeout_seconds=1e9)) == [(0, 110)]


def test_a_death_before_the_first_task_ends_the_run() -> None:
    with pytest.raises(AnalysisCrashed, match="before its first task: exit code 3"):
        list(run_all([1, 2], start_dead, work, workers=1))


def start_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("begin", "killed"), [(start_killed, True), (start_dead, False)])
def test_a_death_before_the_first_task_says_whether_it_came_from_outside(
    begin: Callable[[], None], killed: bool
) -> None:
    with pytest.raises(AnalysisCrashed, match="before its first task") as raised:
        list(run_all([1], begin, work, workers=1))
    assert raised.value.killed == killed


def test_a_caller_who_stops_leaves_no_process_behind() -> None:
    results = run_all(list(range(12)), start, work, workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert multiprocessing.active_children() == []


def test_a_program_that_keeps_a_run_open_ends_all_the_same() -> None:
    program = (
        "from crashing import start, work\n"
        "from unmask.system.workers import run_all\n"
        "run = run_all([10, 99], start, work, workers=1)\n"
        "next(run)\n"
    )
    folder = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=folder, timeout=60, check=True)


def test_a_task_whose_process_died_is_tried_once_more_and_alone_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tasks = [13, 10, 11, 12]
    results = list(run_all(tasks, start, partial(work_and_log, log), workers=2, retry_alone=True))
    assert sorted(results[:3]) == [(1, 110), (2, 111), (3, 112)]
    ((place, crash),) = results[3:]
    assert isinstance(crash, Crashed)
    assert (place, str(crash), crash.tries) == (0, "ended by SIGKILL", 2)
    assert log.read_text().split()[-1] == "13"
    assert log.read_text().split().count("13") == 2


def test_what_takes_too_long_is_not_tried_again() -> None:
    began = time.monotonic()
    ((_, crash),) = run_all([99], start, work, workers=1, timeout_seconds=1, retry_alone=True)
    assert isinstance(crash, Crashed)
    assert (crash.tries, time.monotonic() - began < 30) == (1, True)


def test_a_process_is_renewed_after_some_tasks() -> None:
    ids = [pid for _, pid in run_all([1] * 5, start, process_id, workers=1, renew_after=2)]
    assert [ids.index(pid) for pid in ids] == [0, 0, 2, 2, 4]


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(run_all([1], start, work, workers=0))


def test_a_task_says_how_far_it_is() -> None:
    heard: list[tuple[int, str, float]] = []
    results = run_all([0], start, work_and_tell, workers=1, listen=lambda *n: heard.append(n))
    assert list(results) == [(0, 100)]
    assert heard == [(0, "opening", 0.0), (0, "halfway", 0.5), (0, "end", 1.0)]


def test_a_task_that_is_silent_for_too_long_is_ended_where_it_was() -> None:
    hung, fine = run_all([60, 0], start, work_and_tell, workers=1, listen=lambda *_: None)
    assert hung == (0, Crashed(-9, 2.0, "silent", "halfway"))
    assert fine == (1, 100)


def test_a_task_that_goes_on_for_ever_is_ended_however_much_it_says() -> None:
    ((_, crash),) = run_all([0], start, work_and_talk, workers=1, listen=lambda *_: None)
    assert isinstance(crash, Crashed)
    assert (crash.after_seconds, crash.limit) == (0.5, "total")


def test_a_task_without_anyone_who_waits_for_it_ends_at_its_cpu_time() -> None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    limit_cpu(math.inf)  # none
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY
    program = "from unmask.system.workers import limit_cpu\nlimit_cpu(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert Crashed(done.returncode).out_of_cpu_time
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - used.ru_utime < 30


def test_memory_has_a_limit_and_the_worker_lives_on() -> None:
    tasks = [2**31, 1000]
    results = run_all(tasks, start, allocate, workers=1, memory_bytes=2**30)
    assert list(results) == [(0, "refused"), (1, "1100")]


def test_a_worker_that_is_busy_ends_with_its_program(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from crashing import start, work_and_tell\n"
        "from unmask.system.workers import run_all\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "list(run_all([600], start, work_and_tell, workers=1, listen=kill))\n"
    )
    folder = Path(__file__).parents[1]
    # the worker holds this pipe too: it is closed when both are gone
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=folder, timeout=60, stdout=subprocess.PIPE, check=False)
