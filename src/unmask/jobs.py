"""Many files: each analysed so that its failure touches no other.

One file is scanned in this process. Of several files, or under a limit of time, each runs in a
worker process: a file whose decoder dies ends that worker, is reported as crashed, and the next
file gets a fresh one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from unmask.errors import AnalysisCrashed, UnmaskError
from unmask.passes import Progress
from unmask.runtime import Network
from unmask.scan import Scanner
from unmask.settings import ScanSettings
from unmask.values import Scan
from unmask.workers import Crashed, run_all

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """What every file of a batch is scanned with."""

    detector: str | None = None
    """Folder of a detector bundle; None for the shipped one."""
    settings: ScanSettings = field(default_factory=ScanSettings)
    """How videos are looked at."""
    threads: int = 2
    """Threads of the networks in each process."""
    stress: bool = False
    """Whether each file is judged again under every distortion."""
    timeout_seconds: float | None = None
    """Most time that a file may take, its process is ended then; None: any."""

    def __post_init__(self) -> None:
        """Refuse a time in which nothing can be done."""
        given = self.timeout_seconds
        if given is not None and not (math.isfinite(given) and given > 0):
            raise ValueError(f"timeout_seconds must be finite and above zero, got {given}")


class _Analysis:
    """A job's detector, loaded once in each process."""

    def __init__(self, job: Job) -> None:
        self._scanner = Scanner(job.detector, settings=job.settings, threads=job.threads)
        self._network = Network(self._scanner.bundle, threads=job.threads) if job.stress else None

    def scan(self, path: str, progress: Progress | None = None) -> Scan:
        """Scan a file, under stress where the job asks for it."""
        first = self._scanner.first_pass(path, progress)
        scan = self._scanner.scan_first(first, progress)
        if self._network is None:
            return scan
        from unmask.evaluation.survival import stressed

        bundle = self._scanner.bundle
        return stressed(scan, bundle, self._network, still=first.is_single_picture)


def _scan(analysis: _Analysis, path: str) -> Scan | UnmaskError:
    return attempt(path, partial(analysis.scan, path))


def attempt(path: str, analyse: Callable[[], Result]) -> Result | UnmaskError:
    """Analyse a file; a failure of whatever kind becomes a value that names the file.

    Args:
        path: the file.
        analyse: what is done with it.
    """
    try:
        return analyse()
    except UnmaskError as error:
        return error
    except Exception as error:  # noqa: BLE001 - one file's failure must not touch another's
        return AnalysisCrashed(
            f"{path!r} could not be analysed: {type(error).__name__}: {error}",
            hint="please report this with the file's container and codec",
        )


def scan_all(
    paths: Sequence[str], job: Job, *, workers: int = 1, progress: Progress | None = None
) -> Iterator[tuple[int, Scan | UnmaskError]]:
    """Scan files, yielding the place of each in `paths` with its scan or its error, once finished.

    Args:
        paths: files.
        job: what they are scanned with.
        workers: processes at a time.
        progress: told how far a single file is; not used where files run in worker processes.

    Raises:
        BundleError, ValueError: the job itself cannot be done.
    """
    analysis = _Analysis(job)
    if len(paths) == 1 and job.timeout_seconds is None:
        yield 0, attempt(paths[0], partial(analysis.scan, paths[0], progress))
        return
    del analysis
    start, limit = partial(_Analysis, job), job.timeout_seconds
    for place, result in run_all(paths, start, _scan, workers=workers, timeout_seconds=limit):
        yield place, _crashed(paths[place], result) if isinstance(result, Crashed) else result


def _crashed(path: str, crash: Crashed) -> AnalysisCrashed:
    if crash.after_seconds is not None:
        return AnalysisCrashed(
            f"{path!r} was not analysed: it took longer than {crash.after_seconds:g} s",
            hint="raise --timeout-seconds, or look at its beginning only with --max-seconds",
        )
    if crash.killed:
        return AnalysisCrashed(
            f"{path!r}: the process that analysed it was killed, probably for lack of memory",
            hint="scan it again with fewer --workers; other files were not touched",
        )
    return AnalysisCrashed(
        f"{path!r}: the process that analysed it died ({crash})",
        hint="the file is damaged or made to do this; other files were not touched",
    )
