"""Run a command; note its wall time, peak memory and output. Light, see `benchmarks.clips`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """One finished process."""

    seconds: float
    """Wall time from start to end."""
    peak_bytes: int
    """Largest resident memory of one of its processes."""
    cpu_seconds: float
    """CPU time of all its processes, user and system."""
    output: str
    """Standard output."""
    errors: str = ""
    """Standard error."""


def environment() -> dict[str, str]:
    """Return the variables of a measured command: it keeps byte code, as an installed one does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str | Path], *, accepted: Collection[int] = (0,)) -> Run:
    """Run a command to its end; end the benchmark if its exit code is not accepted."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        words = [str(w) for w in command]
        process = subprocess.Popen(words, stdout=output, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        message = errors.read().decode(errors="replace")
        if process.returncode not in accepted:
            why = f"`{' '.join(words)}` ended with {process.returncode}"
            raise SystemExit(f"{why}:\n{message[-2000:]}")
        text = output.read().decode(errors="replace")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, usage.ru_maxrss * _MAXRSS_UNIT, cpu_seconds, text, message)


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum values up."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        """Show as `median (min-max)`."""
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"
