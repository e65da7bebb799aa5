"""`unmask scan`: progress on stderr, verdicts on stdout, report and JSON to files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import typer

from unmask.cli.app import complain
from unmask.cli.inputs import expand, refuse_overwriting
from unmask.errors import AnalysisCrashed, InputError, InputNotFound, UnmaskError
from unmask.jobs import Job, attempt, scan_all
from unmask.passes import Progress
from unmask.report.document import require_writable, to_json
from unmask.report.html import Page
from unmask.report.wording import percent, statements, survival, visible
from unmask.settings import ScanSettings
from unmask.values import SCHEMA_VERSION, Failure, Scan, ScanDocument, ScanResult, Verdict

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
            folder = path.absolute().parent
            if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises below a locked folder
                raise InputNotFound(
                    f"no folder {str(path.parent)!r} to write {path.name!r} to",
                    hint="make the folder first",
                )
            there = os.path.exists(path)  # noqa: PTH110 - as above
            writable = os.access(path, os.W_OK) if there else os.access(folder, os.W_OK | os.X_OK)
            if not writable or (there and path.is_dir()):
                raise InputNotFound(
                    f"{str(path)!r} may not be written", hint="name a file in another folder"
                )


@dataclass(eq=False)
class _Done:
    """What a run has so far; of a file's pictures only what the report shows is kept."""

    page: Page | None
    """The report; None where none was asked for."""
    results: list[ScanResult] = field(default_factory=list)
    """Of the files that were analysed."""
    failures: list[tuple[str, UnmaskError]] = field(default_factory=list)
    """Of the others, each with its reason."""

    def add(self, path: str, outcome: Scan | UnmaskError) -> UnmaskError | None:
        """Take a file's outcome; return why there is no result, if there is none."""
        if isinstance(outcome, Scan):
            try:
                require_writable(outcome.result)
            except ValueError as error:
                outcome = AnalysisCrashed(
                    f"{path!r} gave a result that cannot be written: {error}",
                    hint="please report this with the file's container and codec",
                )
        if isinstance(outcome, UnmaskError):
            self.failures.append((path, outcome))
            return outcome
        self.results.append(outcome.result)
        if self.page is not None:
            self.page.add(outcome)
        return None

    def stopped(self, paths: Sequence[str]) -> None:
        """Count what was not reached among the failures."""
        for path in paths[len(self.results) + len(self.failures) :]:
            error = AnalysisCrashed(
                f"{path!r} was not analysed: the run was stopped", hint="scan it again"
            )
            self.failures.append((path, error))

    def write(self, outputs: Outputs) -> None:
        """Write what was asked for."""
        if outputs.json is not None:
            failures = tuple(Failure(path, e.message, e.hint) for path, e in self.failures)
            text = to_json(ScanDocument(SCHEMA_VERSION, tuple(self.results), failures))
            if outputs.to_stdout:
                _print(text, nl=False)
            else:
                outputs.json.write_text(text, encoding="utf-8")
        if outputs.report is not None and self.page is not None:
            page = self.page.html([(path, error.message) for path, error in self.failures])
            outputs.report.write_text(page, encoding="utf-8")


def run_scan(
    inputs: list[str],
    outputs: Outputs,
    *,
    detector: str | None,
    settings: ScanSettings,
    threads: int,
    workers: int,
    stress: bool = False,
) -> int:
    """Scan everything, print, write, and return the exit code.

    A run that is stopped with Ctrl-C writes what it has, the rest as failures.
    """
    outputs.check()
    paths = expand(inputs)
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    job = Job(detector=detector, settings=settings, threads=threads)
    done = _Done(None if outputs.report is None else Page())
    try:
        with progress_bar(len(paths)) as progress:
            outcomes = scan_all(paths, job, workers=workers, progress=progress.of_file)
            for path, outcome in _under_stress(outcomes, job) if stress else outcomes:
                progress.file_done(path)
                if (error := done.add(path, outcome)) is not None:
                    complain(error)
                elif not outputs.to_stdout:
                    _print(summary(done.results[-1]))
    except KeyboardInterrupt:
        if done.results or done.failures:
            done.stopped(paths)
            done.write(outputs)
        raise
    done.write(outputs)
    return exit_code(done.results, [error for _, error in done.failures])


def _print(text: str, *, nl: bool = True) -> None:
    """Print to standard output; a reader that has gone away changes nothing else."""
    try:
        typer.echo(text, nl=nl)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _under_stress(
    outcomes: Iterable[tuple[str, Scan | UnmaskError]], job: Job
) -> Iterator[tuple[str, Scan | UnmaskError]]:
    """Judge each scan again under every distortion."""
    from unmask.bundle import load_bundle, shipped_folder
    from unmask.evaluation.survival import stressed
    from unmask.runtime import Network

    bundle = load_bundle(job.detector or shipped_folder())
    network = Network(bundle, threads=job.threads)
    for path, outcome in outcomes:
        if isinstance(outcome, Scan):
            yield path, attempt(path, partial(stressed, outcome, bundle, network))
        else:
            yield path, outcome


def exit_code(results: Sequence[ScanResult], errors: Sequence[UnmaskError]) -> int:
    """Return 1 if something was found, else 2, 3 or 0, as the command's help says.

    A finding stands whatever else went wrong, so 1 comes first; 0 is said only when all of it was
    analysed.
    """
    if any(result.verdict.word in FOUND for result in results):
        return 1
    if not results and errors and all(isinstance(error, InputError) for error in errors):
        return 2
    return 3 if errors or not all(result.coverage.complete for result in results) else 0


def summary(result: ScanResult) -> str:
    """Put a result into a few lines of text."""
    lines = [f"{visible(result.video.path)}: {_words(result.verdict)}"]
    for track in result.tracks:
        span = f"{track.start_seconds:.1f}-{track.end_seconds:.1f} s"
        lines.append(f"  face {track.id}, {span}: {_words(track.verdict)}")
        if track.verdict.probability is not None and track.verdict.reason is not None:
            lines.append(f"    {visible(track.verdict.reason)}")
        lines += [f"    {_plain(said)}" for said in statements(track.verdict)]
    for place, said in enumerate(survival(result)):
        lines.append(f"  {'' if place == 0 else '  '}{_plain(said)}")
    lines += [f"  not analysed: {visible(reason)}" for reason in result.coverage.not_analysed]
    lines += [f"  passing face, not judged: {visible(each)}" for each in result.coverage.passing]
    lines += [f"  hardly a face, not judged: {visible(each)}" for each in result.coverage.doubtful]
    lines += [f"  note: {visible(warning)}" for warning in result.warnings]
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    if verdict.probability is None or verdict.interval is None:
        return f"cannot judge ({verdict.reason})"
    low, high = (percent(bound) for bound in verdict.interval)
    frames = f"{verdict.frames_used} key frame{'' if verdict.frames_used == 1 else 's'}"
    said = f"probability {percent(verdict.probability)}, 95 % interval {low} to {high}, {frames}"
    return f"{verdict.word} of manipulation ({_plain(said)})"


def _plain(text: str) -> str:
    """Return words of a report for a terminal, where they are searched: with plain spaces."""
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
        self._task = self.rich.add_task("scanning", total=1.0 if files == 1 else files)

    @property
    def of_file(self) -> Progress:
        """Return the callback for a single file."""
        return lambda stage, share: self.rich.update(self._task, description=stage, completed=share)

    def file_done(self, path: str) -> None:
        """Move on by one file."""
        if self._files > 1:
            self.rich.update(self._task, advance=1, description=visible(Path(path).name)[:40])


@contextmanager
def progress_bar(files: int) -> Iterator[_Bar]:
    """Show a progress bar on standard error while the block runs."""
    bar = _Bar(files)
    with bar.rich:
        yield bar
