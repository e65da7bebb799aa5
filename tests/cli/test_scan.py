"""`unmask scan` when something goes wrong on the way: what is finished is told and kept."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from commands import Command
from unmask.cli.runs import scan as scanning
from unmask.core.errors import AnalysisCrashed
from unmask.core.scan import Scan
from unmask.core.settings import ScanSettings
from unmask.core.verdicts import Word
from unmask.scanner.batch import Job
from unmask.scanner.scanner import Scanner
from unmask.system.files import write_text

Finishing = Callable[..., None]
ORIGINAL = Path(__file__).parents[2] / "examples" / "original.mp4"
AS_THE_FINDING_SAYS = pytest.mark.parametrize(
    ("word", "code"), [("little evidence", 3), ("some evidence", 1)]
)
"""Exit codes of a run in which something failed, without a finding and with one."""


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Scanner(settings=ScanSettings(explain=(), budget=3), threads=1).scan(ORIGINAL)


@pytest.fixture
def finishing(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> Finishing:
    """Return a function that says which files finish, in which order, and what happens then."""

    def of(path: str, word: Word) -> Scan:
        video = replace(scan.result.video, path=path)
        verdict = replace(scan.result.verdict, word=word)
        return replace(scan, result=replace(scan.result, video=video, verdict=verdict))

    def set_to(
        *finished: tuple[int, str],
        word: Word = "little evidence",
        then: Callable[[], object] = lambda: None,
    ) -> None:
        def scan_all(*_: object, **__: object) -> Iterator[tuple[int, Scan]]:
            yield from ((place, of(path, word)) for place, path in finished)
            then()

        monkeypatch.setattr(scanning, "scan_all", scan_all)

    return set_to


def fail() -> None:
    raise AnalysisCrashed("no worker is left", hint="fewer of them")


def write_on_full_disk(path: Path, text: str) -> None:
    if path.suffix == ".json":
        raise OSError(errno.ENOSPC, "No space left on device")
    write_text(path, text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_a_run_as_ctrl_c_does_and_what_is_finished_is_written_in_order(
    unmask: Command, finishing: Finishing, number: signal.Signals
) -> None:
    def of_before(*_: object) -> None:
        """Do nothing, so that a program that does not mind the signal fails only this test."""

    finishing((2, "c.mp4"), (0, "a.mp4"), then=lambda: os.kill(os.getpid(), number))
    before = signal.signal(number, of_before)
    try:
        outputs = ("--json", "r.json", "--report", "r.html")
        done = unmask("scan", "a.mp4", "b.mp4", "c.mp4", *outputs)
        assert signal.getsignal(number) is of_before
    finally:
        signal.signal(number, before)
    assert (done.returncode, done.stderr) == (130, "stopped\n")
    document = json.loads(Path("r.json").read_text())
    assert [r["video"]["path"] for r in document["results"]] == ["a.mp4", "c.mp4"]
    assert [f["error"] for f in document["failures"]] == [
        "'b.mp4' was not analysed: the run was stopped"
    ]
    page = Path("r.html").read_text()
    assert 0 < page.index('id="r1"') < page.index('id="r3"')


@AS_THE_FINDING_SAYS
def test_a_run_that_cannot_go_on_writes_what_it_has(
    unmask: Command, finishing: Finishing, word: Word, code: int
) -> None:
    finishing((1, "b.mp4"), word=word, then=fail)
    done = unmask("scan", "a.mp4", "b.mp4", "--json", "r.json")
    assert done.returncode == code
    assert done.stderr == "error: no worker is left\nhint: fewer of them\n"
    document = json.loads(Path("r.json").read_text())
    assert [r["video"]["path"] for r in document["results"]] == ["b.mp4"]
    assert "'a.mp4' was not analysed: no worker" in document["failures"][0]["error"]


@AS_THE_FINDING_SAYS
def test_a_full_disk_costs_neither_the_report_nor_a_finding(
    unmask: Command,
    finishing: Finishing,
    word: Word,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanning, "write_text", write_on_full_disk)
    finishing((0, "a.mp4"), word=word)
    done = unmask("scan", "a.mp4", "--json", "r.json", "--report", "r.html")
    assert done.returncode == code
    assert "error: 'r.json' could not be written: No space left on device" in done.stderr
    assert "<html" in Path("r.html").read_text()


@AS_THE_FINDING_SAYS
def test_a_full_disk_behind_standard_output_costs_no_file(
    unmask: Command,
    finishing: Finishing,
    word: Word,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(typer, "echo", full)
    monkeypatch.setattr(os, "dup2", lambda *_: None)  # pytest reads standard output itself
    finishing((0, "a.mp4"), word=word)
    done = unmask("scan", "a.mp4", "--report", "r.html")
    assert done.returncode == code
    assert "error: standard output could not be written: No space left" in done.stderr
    assert "<html" in Path("r.html").read_text()


def test_a_fault_of_the_program_looks_like_no_finding(
    unmask: Command, finishing: Finishing
) -> None:
    def fault() -> None:
        raise RuntimeError("never thought of")

    finishing(then=fault)
    done = unmask("scan", "a.mp4")
    assert done.returncode == 70
    assert "RuntimeError: never thought of" in done.stderr


def test_a_name_that_standard_output_cannot_carry_is_escaped(
    unmask: Command, finishing: Finishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    finishing((0, "уходим.mp4"))
    assert unmask("scan", "уходим.mp4").returncode == 0
    assert written.getvalue().startswith(rb"\u0443\u0445\u043e\u0434\u0438\u043c.mp4: little")


def test_limits_of_time_are_options(unmask: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []
    monkeypatch.setattr(scanning, "scan_all", lambda _, job, **__: jobs.append(job) or iter(()))
    unmask("scan", "a.mp4", "--max-seconds", "90", "--timeout-seconds", "60")
    assert (jobs[0].settings.limits.max_seconds, jobs[0].timeout_seconds) == (90, 60)
