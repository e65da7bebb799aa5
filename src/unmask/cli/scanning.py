"""`unmask scan`: progress on stderr, verdicts on stdout, report and JSON to files.

Files are read in worker processes. What only their results need (numpy among it) is loaded here
while they work, not before: a process is quickest started from one that has loaded little, and
native libraries that end their process, for lack of memory, then do so there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unmask.cli.app import complain
from unmask.cli.inputs import expand, refuse_overwriting
from unmask.errors import AnalysisCrashed, InputError, InputNotFound, UnmaskError
from unmask.files import check_folder_of, write_text
from unmask.jobs import Job, scan_all

if TYPE_CHECKING:
    from unmask.passes import Progress
    from unmask.report.html import Page
    from unmask.values import Scan, ScanResult, Verdict

FOUND = ("some evidence", "substantial evidence")


@dataclass(frozen=True)
class Outputs:
    """Where results go besides standard output."""

    report: Path | None
    """HTML file."""
    json: Path | None
    """JSON file; `-` is standard output, and then nothing else is printed there."""

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
    reported: bool
    """Whether a report was asked for."""
    page: Page | None = None
    """The report; None before anything is to be shown."""
    results: dict[int, ScanResult] = field(default_factory=dict)
    """Of the files that were analysed, by their place."""
    failures: dict[int, UnmaskError] = field(default_factory=dict)
    """Why others were not, by their place."""
    unwritten: list[UnmaskError] = field(default_factory=list)
    """What was finished and could not be told."""

    @property
    def empty(self) -> bool:
        """Whether no file is finished."""
        return not self.results and not self.failures

    def add(self, place: int, outcome: Scan | UnmaskError) -> UnmaskError | None:
        """Take a file's outcome; return why there is no result, if there is none."""
        if not isinstance(outcome, UnmaskError) and (error := self._unwritable(place, outcome)):
            outcome = error
        if isinstance(outcome, UnmaskError):
            self.failures[place] = outcome
            return outcome
        self.results[place] = outcome.result
        if self.reported:
            self._report().add(outcome, place)
        return None

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
        from unmask.report.html import Page

        self.page = self.page or Page()
        return self.page

    def stopped(self, why: str) -> None:
        """Count what was not finished among the failures."""
        for place, path in enumerate(self.paths):
            if place not in self.results and place not in self.failures:
                said = f"{path!r} was not analysed: {why}"
                self.failures[place] = AnalysisCrashed(said, hint="scan it again")

    def write(self, outputs: Outputs) -> None:
        """Write what was asked for."""
        from unmask.report.document import to_json
        from unmask.values import SCHEMA_VERSION, Failure, ScanDocument

        failures = [(self.paths[place], error) for place, error in sorted(self.failures.items())]
        errors = []
        if outputs.json is not None:
            results = tuple(result for _, result in sorted(self.results.items()))
            failed = tuple(Failure(path, e.message, e.hint) for path, e in failures)
            text = to_json(ScanDocument(SCHEMA_VERSION, results, failed))
            errors.append(_write(outputs.json, text))
        if outputs.report is not None:
            text = self._report().html([(path, error.message) for path, error in failures])
            errors.append(_write(outputs.report, text))
        self.unwritten += [error for error in errors if error is not None]


def run_scan(inputs: list[str], outputs: Outputs, job: Job, *, workers: int) -> int:
    """Scan everything, print, write, and return the exit code.

    A run that is stopped or cannot go on writes what it has, the rest as failures.
    """
    outputs.check()
    paths = expand(inputs)
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    done = _Done(paths, outputs.report is not None)
    try:
        _scan_and_tell(job, done, workers=workers, quiet=outputs.to_stdout)
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


def _scan_and_tell(job: Job, done: _Done, *, workers: int, quiet: bool) -> None:
    """Scan files, and say of each as it is finished what came of it."""
    paths = done.paths
    bar = _Bar(len(paths))

    def hear(place: int, stage: str, share: float) -> None:
        bar.of_files(paths[place], stage, share)
        _load_meanwhile(report=done.reported)

    outcomes = scan_all(paths, job, workers=workers, progress=hear)
    with bar.rich:  # after the workers, as it starts a thread
        for place, outcome in outcomes:
            bar.file_done(paths[place])
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


def exit_code(results: Sequence[ScanResult], errors: Sequence[UnmaskError]) -> int:
    """Return 1 if something was found, else 2, 3 or 0, as the command's help says.

    A finding stands whatever else went wrong, so 1 comes first; 0 is said only when all of it was
    analysed and written.
    """
    if any(result.verdict.word in FOUND for result in results):
        return 1
    if not results and errors and all(isinstance(error, InputError) for error in errors):
        return 2
    return 3 if errors or not all(result.coverage.complete for result in results) else 0


def summary(result: ScanResult) -> str:
    """Put a result into a few lines of text."""
    from unmask.report.wording import repeated_persons, statements, survival, visible

    lines = [f"{visible(result.video.path)}: {_words(result.verdict)}"]
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
    from unmask.report.wording import NOT_MEASURED, percent

    if verdict.probability is None:
        return f"cannot judge ({verdict.reason})"
    between = NOT_MEASURED
    if verdict.interval is not None:
        between = " to ".join(percent(bound) for bound in verdict.interval)
    frames = f"{verdict.frames_used} key frame{'' if verdict.frames_used == 1 else 's'}"
    said = f"probability {percent(verdict.probability)}, 95 % interval {between}, {frames}"
    return f"{verdict.word} of manipulation ({_plain(said)})"


def _plain(text: str) -> str:
    """Return words of a report for a terminal, where they are searched: with plain spaces."""
    from unmask.report.wording import visible

    return visible(text).replace("\u00a0", " ")


class _Bar:
    """A progress bar on standard error: the stages of one file, or files of many."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self.rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._files = files
        self._done = 0
        self._task = self.rich.add_task("scanning", total=1.0 if files == 1 else files)

    @property
    def of_file(self) -> Progress:
        """Return the callback for a single file."""
        return lambda stage, share: self.rich.update(
            self._task, description=stage, completed=self._done + share
        )

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


@contextmanager
def progress_bar(files: int) -> Iterator[_Bar]:
    """Show a progress bar on standard error while the block runs."""
    bar = _Bar(files)
    with bar.rich:
        yield bar
