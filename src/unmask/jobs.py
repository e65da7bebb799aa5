"""Many files: each analysed so that its failure touches no other.

One file is scanned in this process. Of several files each runs in a worker process: a file whose
decoder dies ends that worker, is reported as crashed, and the next file gets a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from unmask.errors import AnalysisCrashed, UnmaskError
from unmask.passes import Progress
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

    def scanner(self) -> Scanner:
        """Load the detector."""
        return Scanner(self.detector, settings=self.settings, threads=self.threads)


def _scan(scanner: Scanner, path: str) -> Scan | UnmaskError:
    return attempt(path, partial(scanner.scan, path))


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
) -> Iterator[tuple[str, Scan | UnmaskError]]:
    """Scan files, yielding each path with its scan or its error, in the order given.

    Args:
        paths: files.
        job: what they are scanned with.
        workers: processes at a time.
        progress: told how far a single file is; not used for several.

    Raises:
        BundleError, ModelNotFound, ValueError: the job itself cannot be done.
    """
    scanner = job.scanner()
    if len(paths) == 1:
        yield paths[0], attempt(paths[0], partial(scanner.scan, paths[0], progress=progress))
        return
    del scanner
    early: dict[int, Scan | UnmaskError] = {}
    following = 0
    for place, result in run_all(paths, job.scanner, _scan, workers=workers):
        early[place] = _crashed(paths[place]) if isinstance(result, Crashed) else result
        while following in early:
            yield paths[following], early.pop(following)
            following += 1


def _crashed(path: str) -> AnalysisCrashed:
    return AnalysisCrashed(
        f"{path!r}: the process that analysed it died",
        hint="the file is damaged or made to do this; other files were not touched",
    )
