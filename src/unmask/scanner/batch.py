"""Files: each analysed so that its failure touches neither another nor the caller.

Each runs in a worker process, a single one too, within limits of memory and time: a file whose
decoder dies, hangs or asks for too much ends that worker and is reported, and the next file gets
a fresh one. This module loads neither decoders nor numpy until a worker needs them, so that its
caller can start workers at once (see `workers`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, TypeVar

from unmask.bundle.devices import Device
from unmask.core.errors import AnalysisCrashed, UnmaskError
from unmask.core.settings import ScanSettings
from unmask.system.engines import LOCAL, Engine
from unmask.system.memory import give_back_large_blocks
from unmask.system.remote_files import LocalCopies, is_remote
from unmask.system.workers import Crashed, Duty, Listen, Tell

if TYPE_CHECKING:  # heavy ones
    from unmask.core.media import VideoInfo
    from unmask.core.scan import Scan
    from unmask.scanner.passes import FirstPass
    from unmask.scanner.scanner import Scanner

Result = TypeVar("Result")

_READ_BYTES_PER_SECOND = 10_000_000
"""How fast a file is read at the least: a share over a slow network."""
_FILES_PER_PROCESS = 200
"""Files after which a process gives way to a fresh one: what decoders leak is not kept for long."""
_SILENT_TIMES_FILM = 2.0
"""Time without a word that a film's length allows, as part of it: between two key frames that lie
far apart it is read through."""


class Draw(Protocol):
    """What a job does with a scan while the file's frames can still be read again."""

    def __call__(
        self, first: FirstPass, scan: Scan, scanner: Scanner, progress: Tell | None
    ) -> Scan:
        """Return the scan, perhaps with a warning."""
        ...

    def folder(self, path: str) -> Path | None:
        """Return the folder that is written in for a file, which is made; None: nothing is."""
        ...


@dataclass(frozen=True)
class Job:
    """What every file of a batch is scanned with."""

    detector: str | None = None
    """Folder or name of a detector bundle; None for the shipped one."""
    settings: ScanSettings = field(default_factory=ScanSettings)
    """How videos are looked at."""
    threads: int = 2
    """Threads of the networks in each process."""
    stress: bool = False
    """Whether each file is judged again under every distortion."""
    timeout_seconds: float | None = None
    """Most time that a file may take, its process is ended then; None: as the settings' limits say
    for its length."""
    device: Device = "cpu"
    """What the networks run on."""
    draw: Draw | None = None
    """Called in the worker with each finished scan, such as to draw a film of it."""

    def __post_init__(self) -> None:
        """Refuse a time in which nothing can be done."""
        timeout = self.timeout_seconds
        if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
            raise ValueError(f"timeout_seconds must be finite and above zero, got {timeout}")


class _Analysis:
    """A job's detector, loaded once in each process."""

    def __init__(self, job: Job) -> None:
        from unmask.bundle.catalogue import find
        from unmask.bundle.runtime import Network
        from unmask.scanner.scanner import Scanner

        folder = None if job.detector is None else str(find(job.detector))
        self._scanner = Scanner(
            folder, settings=job.settings, threads=job.threads, device=job.device
        )
        self._timeout_seconds = job.timeout_seconds
        self._draw = job.draw
        self._network = (
            Network(self._scanner.bundle, threads=job.threads, device=job.device)
            if job.stress
            else None
        )

    def reads(self, path: str) -> list[str | Path]:
        """Return what a scan opens: the file, and the detector's networks when they are needed."""
        trusted = os.environ.get("UNMASK_TRUST_ANCHORS")
        return [path, self._scanner.bundle.folder, *([trusted] if trusted else [])]

    def writes(self, path: str) -> list[Path]:
        """Return the folders that a scan writes in: that of the film, where one is drawn."""
        folder = None if self._draw is None else self._draw.folder(path)
        return [] if folder is None else [folder]

    def scan(self, path: str, tell: Tell | None = None) -> Scan:
        """Scan a file, under stress where the job asks for it; say how long it may take."""
        limits = self._scanner.settings.limits

        def allow(info: VideoInfo) -> None:
            if tell is not None:
                film = min(info.duration_seconds or 0.0, limits.max_seconds)
                silent = limits.silent_seconds + _SILENT_TIMES_FILM * film
                tell.allow(
                    "reading",
                    silent_seconds=silent,
                    total_seconds=self._timeout_seconds or limits.total_seconds(film),
                )

        if tell is not None:
            opening = limits.open_seconds + _size(path) / _READ_BYTES_PER_SECOND
            total = self._timeout_seconds or limits.total_seconds(None) + opening
            tell.allow("opening", silent_seconds=opening, total_seconds=total)
        first = self._scanner.first_pass(path, tell, opened=allow)
        scan = self._scanner.scan_first(first, tell)
        if self._draw is not None:
            if tell is not None:
                self._allow_drawing(tell, first.info)
            scan = self._draw(first, scan, self._scanner, tell)
        if self._network is None:
            return scan
        from unmask.scanner.survival import stress_verdict

        bundle, still = self._scanner.bundle, first.is_single_picture
        return stress_verdict(scan, bundle, self._network, still=still, progress=tell)

    def _allow_drawing(self, tell: Tell, info: VideoInfo) -> None:
        """Give a film that is read and written once more as much time again."""
        limits = self._scanner.settings.limits
        total = 2 * limits.total_seconds(min(info.duration_seconds or 0.0, limits.max_seconds))
        tell.allow(
            "drawing",
            silent_seconds=limits.silent_seconds,
            total_seconds=self._timeout_seconds or total,
        )


def _load(job: Job) -> _Analysis:
    """Load a job's detector; say so where the system gives no room for the libraries."""
    give_back_large_blocks()
    try:
        return _Analysis(job)
    except ModuleNotFoundError:
        raise
    except (ImportError, MemoryError) as error:
        raise AnalysisCrashed(
            f"the decoders and networks cannot be loaded: {type(error).__name__}: {error}",
            hint="is there enough memory? A scan takes 0.5 GB, and more address space; "
            "see `ulimit -a` and `unmask doctor`",
        ) from error


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - no path at all may be named, too
    except (OSError, ValueError):
        return 0  # the scan says what is wrong with it


def _scan(analysis: _Analysis, path: str, tell: Tell | None = None) -> Scan | UnmaskError:
    return attempt(path, partial(analysis.scan, path, tell))


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
    except MemoryError:
        return AnalysisCrashed(
            f"{path!r} could not be analysed: it needs more memory than it may have",
            hint="make a smaller copy of it, and keep the original",
        )
    except Exception as error:  # noqa: BLE001 - one file's failure must not touch another's
        return AnalysisCrashed(
            f"{path!r} could not be analysed: {type(error).__name__}: {error}",
            hint="please report this with the file's container and codec",
        )


def scan_here(path: str, job: Job) -> Scan | UnmaskError:
    """Scan a file in this process, where no limit of time or memory holds.

    Args:
        path: the file.
        job: what it is scanned with.

    Raises:
        BundleError, InputNotFound, ValueError: the job itself cannot be done.
    """
    return _scan(_load(job), path)


def scan_all(
    paths: Sequence[str],
    job: Job,
    *,
    engine: Engine = LOCAL,
    progress: Listen | None = None,
    retry_alone: bool = True,
) -> Iterator[tuple[int, Scan | UnmaskError]]:
    """Scan files in worker processes, which start now.

    Args:
        paths: files.
        job: what they are scanned with.
        engine: where, and how many at a time.
        progress: told how far each file is, by its place in `paths`.
        retry_alone: scan a file whose process died once more at the end, with no other beside it.

    Returns:
        The place of each file in `paths` with its scan or its error, once it is finished.

    Raises:
        BundleError, InputNotFound, ValueError: the job itself cannot be done.
    """
    duty = Duty(
        partial(_load, job),
        _scan,
        timeout_seconds=job.timeout_seconds,
        memory_bytes=job.settings.limits.max_memory_bytes,
        listen=progress or _ignore,
        renew_after=_FILES_PER_PROCESS,
        reads=_Analysis.reads,
        writes=_Analysis.writes,
    )
    if any(map(is_remote, paths)):
        if engine.name != "local":
            raise ValueError(
                f"--engine {engine.name} reads files that every machine has under the same path: "
                "mount the store on each of them"
            )
        return _of_copies(paths, job, partial(engine.run, duty=duty, retry_alone=retry_alone))
    results = engine.run(paths, duty, retry_alone=retry_alone)
    return _outcomes(paths, results)


def _ignore(_place: int, _stage: str, _share: float) -> None:
    """Hear how far a file is, and do nothing."""


def _of_copies(
    paths: Sequence[str],
    job: Job,
    run: Callable[[Sequence[str]], Iterator[tuple[int, Scan | UnmaskError | Crashed]]],
) -> Iterator[tuple[int, Scan | UnmaskError]]:
    """Scan copies of files in object stores, each made when its turn comes and removed then."""
    with TemporaryDirectory(prefix="unmask-") as folder:
        copies = LocalCopies(paths, Path(folder), max_bytes=job.settings.limits.max_bytes)
        for place, outcome in _outcomes(paths, run(copies)):
            yield place, copies.errors.get(place) or _renamed(outcome, copies, place, paths[place])
            copies.drop(place)


def _renamed(
    outcome: Scan | UnmaskError, copies: LocalCopies, place: int, address: str
) -> Scan | UnmaskError:
    """Return what came of a copy with the file's address for its path."""
    if not is_remote(address):
        return outcome
    if not isinstance(outcome, UnmaskError):
        record = outcome.result
        video = replace(record.video, path=address)
        return replace(outcome, result=replace(record, video=video))
    outcome.message = outcome.message.replace(repr(str(copies.path(place))), repr(address))
    outcome.args = (outcome.message,)
    return outcome


def _outcomes(
    paths: Sequence[str], results: Iterator[tuple[int, Scan | UnmaskError | Crashed]]
) -> Iterator[tuple[int, Scan | UnmaskError]]:
    for place, result in results:
        yield (
            place,
            _describe_crash(paths[place], result) if isinstance(result, Crashed) else result,
        )


def _describe_crash(path: str, crash: Crashed) -> AnalysisCrashed:
    stage = "" if crash.stage is None else f" (stage: {crash.stage})"
    if crash.limit == "silent":
        return AnalysisCrashed(
            f"{path!r} was not analysed: no progress for {crash.after_seconds:.0f} s{stage}",
            hint="the file is damaged or made to do this; other files were not touched",
        )
    if crash.after_seconds is not None:
        return AnalysisCrashed(
            f"{path!r} was not analysed: it took longer than {crash.after_seconds:g} s{stage}",
            hint="raise --timeout-seconds, or look at its beginning only with --max-seconds",
        )
    if crash.out_of_cpu_time:
        return AnalysisCrashed(
            f"{path!r} was not analysed: it took more CPU time than a film of its length{stage}",
            hint="give it a time with --timeout-seconds, or look at its beginning with "
            "--max-seconds",
        )
    again = "; it was tried twice, the second time alone" if crash.tries > 1 else ""
    if crash.killed:
        error = AnalysisCrashed(
            f"{path!r}: the process that analysed it was killed, probably for lack of memory"
            f"{stage}{again}",
            hint="free memory, or make a smaller copy of it; other files were not touched",
        )
        error.killed = True
        return error
    return AnalysisCrashed(
        f"{path!r}: the process that analysed it died: {crash}{stage}{again}",
        hint="the file is damaged or made to do this, or memory ran out; other files were not "
        "touched",
    )
