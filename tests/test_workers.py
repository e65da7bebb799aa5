"""Worker processes: every task answered once, a death named with its task, nothing left behind."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from crashing import start, start_alone, start_badly, start_dead, work
from unmask.errors import AnalysisCrashed, ManifestError
from unmask.workers import Crashed, run_all


@pytest.mark.parametrize("workers", [1, 2, 12])
def test_every_task_is_answered_once_whoever_dies(workers: int) -> None:
    tasks = list(range(10, 20))
    found = dict(run_all(tasks, start, work, workers=workers))
    assert {tasks[place] for place, r in found.items() if isinstance(r, Crashed)} == {13, 17}
    assert {tasks[p]: r for p, r in found.items() if not isinstance(r, Crashed)} == {
        task: 100 + task for task in tasks if task not in {13, 17}
    }


def test_a_crash_says_how_the_process_died() -> None:
    found = dict(run_all([13, 17], start, work, workers=1))
    assert [str(found[place]) for place in (0, 1)] == ["ended by SIGKILL", "exit code 9"]


def test_no_task_needs_no_process() -> None:
    assert list(run_all([], start_dead, work, workers=2)) == []


def test_a_failed_start_reaches_the_caller() -> None:
    with pytest.raises(ManifestError, match="no good"):
        list(run_all([1], start_badly, work, workers=2))


def test_one_that_cannot_start_leaves_its_tasks_to_the_others(tmp_path: Path) -> None:
    start_one = partial(start_alone, tmp_path / "taken")
    found = dict(run_all(list(range(30, 50)), start_one, work, workers=2))
    assert found == {place: 130 + place for place in range(20)}


def test_a_task_that_takes_too_long_is_ended_and_the_next_is_done() -> None:
    slow, quick = run_all([99, 10], start, work, workers=1, timeout_seconds=0.5)
    assert (slow[0], str(slow[1])) == (0, "ended after 0.5 s")
    assert quick == (1, 110)
    assert list(run_all([10], start, work, workers=1, timeout_seconds=1e9)) == [(0, 110)]


def test_a_death_before_the_first_task_ends_the_run() -> None:
    with pytest.raises(AnalysisCrashed, match="before its first task: exit code 3"):
        list(run_all([1, 2], start_dead, work, workers=1))


def test_a_caller_who_stops_leaves_no_process_behind() -> None:
    results = run_all(list(range(12)), start, work, workers=2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


def test_a_program_that_keeps_a_run_open_ends_all_the_same() -> None:
    program = (
        "from crashing import start, work\n"
        "from unmask.workers import run_all\n"
        "run = run_all([10, 99], start, work, workers=1)\n"
        "next(run)\n"
    )
    folder = Path(__file__).parent
    subprocess.run([sys.executable, "-c", program], cwd=folder, timeout=60, check=True)


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(run_all([1], start, work, workers=0))
