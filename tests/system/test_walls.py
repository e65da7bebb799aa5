"""What a worker can reach while it reads a file: that file, and nothing else."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from reaching_out import ATTEMPTS, attempt, start
from unmask.system import walls
from unmask.system.walls import missing_walls
from unmask.system.workers import Duty, run_duty

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or bool(missing_walls()), reason="this system has no such walls"
)
REFUSED = ["other file", "list of a folder", "write", "new file", "socket", "process", "program"]


def outcomes(own: Path, *, walled: bool) -> dict[str, str]:
    duty = Duty(start, attempt, reads=_own if walled else None)
    tasks = [(name, str(own)) for name in ATTEMPTS]
    results = dict(run_duty(tasks, duty, workers=1))
    return {name: str(results[place]) for place, name in enumerate(ATTEMPTS)}


def _own(_state: None, task: tuple[str, str]) -> list[str]:
    return [task[1]]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name in ("own.bin", "other.bin"):
        (tmp_path / name).write_bytes(b"data")
    return tmp_path / "own.bin"


def test_a_task_reads_its_own_file_and_reaches_nothing_else(own: Path) -> None:
    result = outcomes(own, walled=True)
    assert {name for name, said in result.items() if said == "done"} == {
        "own file",
        "library",
        "thread",
        "own file in a thread",
    }
    assert {name for name, said in result.items() if said == "PermissionError"} == set(REFUSED)
    assert not (own.parent / "new.bin").exists()


def test_without_walls_it_reaches_all_of_them(own: Path) -> None:
    result = outcomes(own, walled=False)
    assert {name for name, said in result.items() if said != "done"} == set()


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    duty = Duty(start, attempt, reads=_own)
    ((_, said),) = run_duty([("own file", str(tmp_path / "none"))], duty, workers=1)
    assert said == "FileNotFoundError"


def test_an_exception_reaches_the_caller_and_the_next_thread_is_as_before(own: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="division"):
        walls.alone_with([own], partial(divmod, 1, 0))
    assert walls.alone_with([own], own.read_bytes) == b"data"
    assert (own.parent / "other.bin").read_bytes() == b"data"  # the caller's thread has no walls


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in (walls._why_no_seccomp, walls._why_no_landlock):
        check.cache_clear()
        monkeypatch.setattr(walls, "find_spec", lambda _: None)
    try:
        assert missing_walls() == [
            "seccomp: the package pyseccomp is not installed",
            "Landlock: the package landlockpy is not installed",
        ]
    finally:
        for check in (walls._why_no_seccomp, walls._why_no_landlock):
            check.cache_clear()


def test_a_kernel_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("landlockpy.Ruleset", refuse)
    walls._why_no_landlock.cache_clear()
    try:
        assert missing_walls() == [
            "Landlock: this system gives none ([Errno 1] Operation not permitted)"
        ]
    finally:
        walls._why_no_landlock.cache_clear()
