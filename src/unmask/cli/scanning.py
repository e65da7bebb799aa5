"""`unmask scan`: progress on stderr, verdicts on stdout, report and JSON to files.

Files are read in worker processes. What only their results need (numpy among it) is loaded here
while they work, not before: a process is quickest started from one that has loaded little, and
native libraries that end their process, for lack of memory, then do so there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import typer

from unmask.cli.app import complain
from unmask.cli.inputs import expand, refuse_overwriting
from unmask.errors import AnalysisCrashed, InputError, InputNotFound, UnmaskError
from unmask.files import check_folder_of, write_text
from unmask.jobs import Job, scan_all, scan_here
from unmask.stages import measuring, stage

if TYPE_CHECKING:
    from unmask.report.html import Page
    from unmask.values import Examination, Scan, ScanRecord, Verdict

FOUND = ("some evidence", "substantial evidence")


@dataclass(frozen=True)
class Outputs:
    """Where results go besides standard output."""

    report: Path | None
    """HTML file."""
    json: Path | None
    """JSON file; `-` is standard output, and then nothing else is printed there."""
    embed_bytes: int | None = None
    """Size up to which a film is written into the report; None: the report links to it."""
    examination: Examination | None = None
    """Case, analyst and note."""

    @property
    def to_stdout(self) -> bool:
        """Whether standard output is the JSON's."""
        return self.json is not None and str(self.json) == "-"

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        json = None if self.to_stdout else self.json
        return tuple(path for path in (self.report, json) if path is not None)

    def check(self) -> None:
        """Refuse before any file is opened what could not be written at the end.

        Raises:
            InputNotFound: a folder does not exist, or nothing may be written there.
            ValueError: the report is to go to standard output.
        """
        if self.report is not None and str(self.report) == "-":
            raise ValueError("--report needs a file; only --json can go to standard output")
        for path in self.files:
            check_folder_of(path)
            if not _may_write(path):
                raise InputNotFound(
                    f"{str(path)!r} may not be written", hint="name a file in another folder"
                )


def _may_write(path: Path) -> bool:
    """Tell whether a file may be written, or what is there may be."""
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises below a locked folder
        return not os.path.isdir(path) and os.access(path, os.W_OK)  # noqa: PTH112 - as above
    return os.access(path.absolute().parent, os.W_OK | os.X_OK)


@dataclass(eq=False)
class _Done:
    """What a run has so far; of a file's pictures only what the report shows is kept."""

    paths: Sequence[str]
    """All files of the run; a file's place is that among these."""
    outputs: Outputs
    """What was asked for."""
    page: Page | None = None
    """The report; None before anything is to be shown."""
    results: dict[int, ScanRecord] = field(default_factory=dict)
    """Of the files that were analysed, by their place."""
    failures: dict[int, UnmaskError] = field(default_factory=dict)
    """Why others were not, by their place."""
    pending: set[int] = field(default_factory=set)
    """Places of the files whose scan is still to come."""
    unwritten: list[UnmaskError] = field(default_factory=list)
    """What was finished and could not be told."""

    @property
    def empty(self) -> bool:
        """Whether no file is finished."""
        return not self.results and not self.failures

    @stage("taking results")
    def add(self, place: int, outcome: Scan | UnmaskError) -> UnmaskError | None:
        """Take a file's outcome; return why there is no result, if there is none."""
        self.pending.discard(place)
        if not isinstance(outcome, UnmaskError) and (error := self._unwritable(place, outcome)):
            outcome = error
        if isinstance(outcome, UnmaskError):
            self.failures[place] = outcome
            return outcome
        self.results[place] = outcome.result
        if self.outputs.report is not None:
            self._show(outcome, place)
        return None

    def _show(self, scan: Scan, place: int) -> None:
        """Add a file to the report; say if its own page could not be written."""
        try:
            self._report().add(scan, place)
        except OSError as error:
            self.unwritten.append(_unwritten(repr(str(self.outputs.report)), error))

    def _unwritable(self, place: int, scan: Scan) -> UnmaskError | None:
        from unmask.report.document import require_writable

        try:
            require_writable(scan.result)
        except ValueError as error:
            return AnalysisCrashed(
                f"{self.paths[place]!r} gave a result that cannot be written: {error}",
                hint="please report this with the file's container and codec",
            )
        return None

    def _report(self) -> Page:
        from unmask.report.html import Page, Place

        if self.page is None:
            asked = self.outputs
            place = None
            if asked.report is not None:
                place = Place(asked.report, len(self.paths), asked.embed_bytes)
            self.page = Page(place, examination=asked.examination)
        return self.page

    def stopped(self, why: str) -> None:
        """Count what was not finished among the failures."""
        for place in sorted(self.pending):
            kind = "scanned in full" if place in self.results else "analysed"
            said = f"{self.paths[place]!r} was not {kind}: {why}"
            self.failures[place] = AnalysisCrashed(said, hint="scan it again")

    @stage("writing")
    def write(self, outputs: Outputs) -> None:
        """Write what was asked for."""
        from unmask.report.document import to_json
        from unmask.values import SCHEMA_VERSION, Failure, ScanDocument

        failures = [(self.paths[place], error) for place, error in sorted(self.failures.items())]
        errors = []
        if outputs.json is not None:
            results = tuple(result for _, result in sorted(self.results.items()))
            failed = tuple(Failure(path, e.message, e.hint) for path, e in failures)
            text = to_json(ScanDocument(SCHEMA_VERSION, results, failed, outputs.examination))
            errors.append(_write(outputs.json, text))
        if outputs.report is not None:
            text = self._report().html([(path, error.message) for path, error in failures])
            errors.append(_write(outputs.report, text))
        self.unwritten += [error for error in errors if error is not None]


@dataclass(frozen=True)
class FullScan:
    """Which files are scanned in full after a triage."""

    job: Job
    """What they are scanned with."""
    threshold: float
    """Least probability of a triage, 0 to 1."""
    triage: bool = True
    """Whether there is a triage."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense before any file is opened."""
        if not self.triage:
            raise ValueError("--then-full goes with --triage")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"--then-full is a probability from 0 to 1, got {self.threshold:g}")

    def places(self, results: Mapping[int, ScanRecord]) -> list[int]:
        """Return the places of the files to scan, the most suspicious first."""
        probability = {n: result.verdict.probability for n, result in results.items()}
        likely = {n: p for n, p in probability.items() if p is not None and p >= self.threshold}
        return sorted(likely, key=lambda n: (-likely[n], n))


def run_scan(
    inputs: list[str], outputs: Outputs, job: Job, *, workers: int, full: FullScan | None = None
) -> int:
    """Scan everything, print, write, and return the exit code.

    A run that is stopped or cannot go on writes what it has, the rest as failures.
    """
    outputs.check()
    paths = expand(inputs)
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    done = _Done(paths, outputs)
    try:
        quiet = outputs.to_stdout
        _scan_and_tell(job, done, range(len(paths)), workers=workers, quiet=quiet)
        if full is not None:
            places = full.places(done.results)
            _scan_and_tell(full.job, done, places, workers=workers, quiet=quiet)
    except KeyboardInterrupt:
        if not done.empty:
            done.stopped("the run was stopped")
            done.write(outputs)
        raise
    except Exception as error:
        if done.empty and not isinstance(error, AnalysisCrashed):
            raise
        complain(error)
        done.stopped(str(error))
    done.write(outputs)
    return exit_code(list(done.results.values()), [*done.failures.values(), *done.unwritten])


def profiled_scan(inputs: list[str], outputs: Outputs, job: Job) -> int:
    """Scan one file in this process as `run_scan` does, then print its stages to standard error.

    Raises:
        ValueError: there are several files, or a time after which a worker would be ended.
    """
    outputs.check()
    paths = expand(inputs)
    if (count := len(paths)) != 1 or job.timeout_seconds is not None:
        raise ValueError(f"--profile measures one file without a --timeout-seconds, got {count}")
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    done = _Done(paths, outputs)
    with measuring() as profile:
        _tell(done, 0, scan_here(paths[0], job), quiet=outputs.to_stdout)
        done.write(outputs)
    sys.stderr.write(f"{profile.table()}\n")
    return exit_code(list(done.results.values()), [*done.failures.values(), *done.unwritten])


def _scan_and_tell(
    job: Job, done: _Done, places: Sequence[int], *, workers: int, quiet: bool
) -> None:
    """Scan the files at some places, and say of each as it is finished what came of it."""
    paths = [done.paths[place] for place in places]
    if not paths:
        return
    done.pending |= set(places)
    bar = progress_bar(len(paths))

    def hear(number: int, stage: str, share: float) -> None:
        bar.of_files(paths[number], stage, share)
        _load_meanwhile(report=done.outputs.report is not None)

    outcomes = scan_all(paths, job, workers=workers, progress=hear)
    with bar:  # after the workers, as it starts a thread
        for number, outcome in outcomes:
            bar.file_done(paths[number])
            _tell(done, places[number], outcome, quiet=quiet)


def _tell(done: _Done, place: int, outcome: Scan | UnmaskError, *, quiet: bool) -> None:
    """Take a file's outcome and say what came of it."""
    if (error := done.add(place, outcome)) is not None:
        complain(error)
    elif not quiet and (error := _print(summary(done.results[place]))) is not None:
        done.unwritten.append(error)


def _load_meanwhile(*, report: bool) -> None:
    """Load what results need while a worker makes them; once it can, there is memory for it."""
    import unmask.report.document

    if report:
        import unmask.report.html  # noqa: F401


def _write(path: Path, text: str) -> UnmaskError | None:
    """Write a result, and say if it could not be; a file is there whole or as it was before."""
    if str(path) == "-":
        return _print(text, nl=False)
    try:
        write_text(path, text)
    except OSError as error:
        return _unwritten(repr(str(path)), error)
    return None


def _print(text: str, *, nl: bool = True) -> UnmaskError | None:
    """Print to standard output; that it fails changes nothing else, and is said once.

    A reader that has gone away is no failure.
    """
    try:
        typer.echo(text, nl=nl)
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            return _unwritten("standard output", error)
    return None


def _unwritten(what: str, error: OSError) -> UnmaskError:
    failed = UnmaskError(
        f"{what} could not be written: {error.strerror or error}",
        hint="make room or name another place, and scan again",
    )
    complain(failed)
    return failed


def exit_code(results: Sequence[ScanRecord], errors: Sequence[UnmaskError]) -> int:
    """Return 1 if something was found, else 2, 3 or 0, as the command's help says.

    A finding stands whatever else went wrong, so 1 comes first; 0 is said only when all of it was
    analysed and written.
    """
    if any(_has_finding(result) for result in results):
        return 1
    if not results and errors and all(isinstance(error, InputError) for error in errors):
        return 2
    return 3 if errors or not all(result.coverage.complete for result in results) else 0


def _has_finding(result: ScanRecord) -> bool:
    """Tell whether a video or one of its faces was found to speak for manipulation.

    Among many faces a strong one may be too little for the video's own word; it is still told.
    """
    strong = any(track.verdict.word == "substantial evidence" for track in result.tracks)
    return strong or result.verdict.word in FOUND


def summary(result: ScanRecord) -> str:
    """Put a result into a few lines of text."""
    from unmask.report.wording import (
        decided,
        misses,
        rate,
        repeated_persons,
        statements,
        survival,
        visible,
    )

    lines = [f"{visible(result.video.path)}: {_words(result.verdict)}"]
    lines += [
        f"  {_plain(said)}"
        for said in (decided(result.verdict), rate(result.verdict), misses(result))
        if said is not None
    ]
    for track in result.tracks:
        span = f", {track.start_seconds:.1f}-{track.end_seconds:.1f} s"
        when = span if result.video.kind == "video" else ""
        lines.append(f"  face {track.id}{when}: {_words(track.verdict)}")
        if track.verdict.probability is not None and track.verdict.reason is not None:
            lines.append(f"    {visible(track.verdict.reason)}")
        lines += [f"    {_plain(said)}" for said in statements(track.verdict)]
    lines += [f"  {said}" for said in repeated_persons(result)]
    for place, said in enumerate(survival(result)):
        lines.append(f"  {'' if place == 0 else '  '}{_plain(said)}")
    lines += [f"  not analysed: {visible(reason)}" for reason in result.coverage.not_analysed]
    lines += [f"  passing face, not judged: {visible(each)}" for each in result.coverage.passing]
    lines += [f"  hardly a face, not judged: {visible(each)}" for each in result.coverage.doubtful]
    lines += [f"  note: {visible(warning)}" for warning in result.warnings]
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    from unmask.report.wording import NOT_MEASURED, percent, phrase

    if verdict.probability is None:
        return f"cannot judge ({verdict.reason})"
    between = NOT_MEASURED
    if verdict.interval is not None:
        between = " to ".join(percent(bound) for bound in verdict.interval)
    frames = f"{verdict.frames_used} key frame{'' if verdict.frames_used == 1 else 's'}"
    said = f"probability {percent(verdict.probability)}, 95 % range {between}, {frames}"
    return f"{phrase(verdict.word)} ({_plain(said)})"


def _plain(text: str) -> str:
    """Return words of a report for a terminal, where they are searched: with plain spaces."""
    from unmask.report.wording import visible

    return visible(text).replace("\u00a0", " ")


class Bar:
    """How far a run is: this one shows nothing, for a standard error that is no terminal."""

    def __enter__(self) -> Self:
        """Begin to show it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""

    def of_file(self, stage: str, share: float) -> None:
        """Show how far a single file is."""

    def of_files(self, path: str, stage: str, share: float) -> None:
        """Show how far one of the files is that are read at the same time."""

    def file_done(self, path: str) -> None:
        """Move on by one file."""


class RichBar(Bar):
    """A progress bar on standard error: the stages of one file, or files of many."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._files = files
        self._done = 0
        self._task = self.rich.add_task("scanning", total=1.0 if files == 1 else files)

    def __enter__(self) -> Self:
        """Begin to show it."""
        self.rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self.rich.stop()

    def of_file(self, stage: str, share: float) -> None:
        """Show how far a single file is."""
        self.rich.update(self._task, description=stage, completed=self._done + share)

    def of_files(self, path: str, stage: str, share: float) -> None:
        """Show how far one of the files is that are read at the same time."""
        name = "" if self._files == 1 else f"{_short(path)}: "
        done = self._done + (share if self._files == 1 else 0)
        self.rich.update(self._task, description=f"{name}{stage}", completed=done)

    def file_done(self, path: str) -> None:
        """Move on by one file."""
        self._done += 1
        self.rich.update(self._task, description=_short(path), completed=self._done)


def _short(path: str) -> str:
    from unmask.report.wording import visible

    return visible(Path(path).name)[:40]


def progress_bar(files: int) -> Bar:
    """Return a progress bar, entered to show it; of nothing if standard error is no terminal."""
    return RichBar(files) if sys.stderr.isatty() else Bar()
