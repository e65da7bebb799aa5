"""Many files: what is done to each, in this process and in workers alike."""

from __future__ import annotations

import math
import re
import signal
from functools import partial
from pathlib import Path

import pytest

from unmask.core.errors import AnalysisCrashed
from unmask.core.scan import Scan
from unmask.core.settings import Limits, ScanSettings
from unmask.scanner import survival
from unmask.scanner.batch import Job, _Analysis, _scan, attempt, scan_all
from unmask.scanner.survival import stress_verdict
from unmask.system import engines
from unmask.system.workers import Crashed

FORGED = str(Path(__file__).parents[2] / "examples" / "forged.mp4")


def test_a_file_of_which_one_frame_was_read_is_not_judged_under_stress_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survival, "stress_verdict", partial(stress_verdict, only=("blur",)))
    settings = ScanSettings(explain=(), limits=Limits(max_seconds=0.01))
    result = _scan(_Analysis(Job(settings=settings, threads=1, stress=True)), FORGED)
    assert isinstance(result, Scan)
    assert result.result.coverage.frames_decoded == 1
    assert result.result.verdict.word == "cannot judge"
    assert {each.verdict.word for each in result.result.stress or ()} == {"cannot judge"}


@pytest.mark.parametrize(
    ("crash", "message", "hint"),
    [
        (Crashed(-9), "was killed, probably for lack of memory", "free memory"),
        (Crashed(-9, 60.0), "was not analysed: it took longer than 60 s", "--timeout-seconds"),
        (
            Crashed(-9, 120.0, "silent", "reading"),
            r"was not analysed: no progress for 120 s \(stage: reading\)",
            "made to do this",
        ),
        (
            Crashed(-signal.SIGXCPU),
            "took more CPU time than a film of its length",
            "--timeout-seconds",
        ),
        (Crashed(-11), r"died: ended by SIGSEGV", "damaged or made to do this"),
    ],
)
def test_a_file_is_blamed_only_for_what_it_may_have_done(
    crash: Crashed, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "run_duty", lambda *_, **__: iter([(0, crash)]))
    ((place, error),) = scan_all([FORGED], Job(timeout_seconds=60))  # in a worker, though alone
    assert isinstance(error, AnalysisCrashed)
    assert place == 0
    assert re.search(message, error.message)
    assert hint in error.hint
    assert error.killed is ("was killed" in message)


@pytest.mark.parametrize("given", [0, -1.0, math.inf, math.nan])
def test_a_limit_of_time_that_allows_nothing_or_anything_is_refused(given: float) -> None:
    with pytest.raises(ValueError, match="timeout_seconds must be finite and above zero"):
        Job(timeout_seconds=given)


def test_a_single_file_is_read_in_a_worker_that_tells_how_far_it_is() -> None:
    heard: list[tuple[int, str]] = []
    job = Job(settings=ScanSettings(explain=(), budget=3), threads=1)
    ((place, scan),) = scan_all([FORGED], job, progress=lambda p, s, _: heard.append((p, s)))
    assert (place, isinstance(scan, Scan)) == (0, True)
    assert list(dict.fromkeys(heard)) == [
        (0, stage) for stage in ("opening", "reading", "key frames", "scoring")
    ]


def test_a_file_that_needs_more_memory_than_it_may_have_is_named() -> None:
    def greedy() -> None:
        raise MemoryError

    error = attempt("a.png", greedy)
    assert isinstance(error, AnalysisCrashed)
    assert error.message == "'a.png' could not be analysed: it needs more memory than it may have"


def test_a_film_may_take_a_time_for_each_of_its_minutes_that_is_analysed() -> None:
    limits = Limits(base_seconds=10, seconds_per_film_minute=60, max_seconds=120)
    assert [limits.total_seconds(film) for film in (None, 30, 1e9)] == [10, 40, 130]
