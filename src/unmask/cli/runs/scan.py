"""`unmask scan`: progress on stderr, verdicts on stdout, report and JSON to files.

Files are read in worker processes. What only their results need (numpy among it) is loaded here
while they work, not before: a process is quickest started from one that has loaded little, and
native libraries that end their process, for lack of memory, then do so there.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unmask.cli.inputs import expand, refuse_overwriting
from unmask.cli.messages import complain
from unmask.cli.progress import RunLog, Verbosity, progress_bar
from unmask.cli.runs.scan_outputs import Outputs, Sink
from unmask.core.errors import AnalysisCrashed, DownloadError, UnmaskError
from unmask.core.text import visible
from unmask.report.language.translation import language
from unmask.results.outcome import Outcome
from unmask.scanner.batch import Job, scan_all, scan_here
from unmask.system.background import Background
from unmask.system.engines import Engine
from unmask.system.files import no_room, write_text
from unmask.system.remote_files import as_typed
from unmask.system.stages import measure_stages, stage

if TYPE_CHECKING:
    from unmask.core.scan import Scan
    from unmask.core.scan_record import ScanRecord
    from unmask.report.film import OverlayFilms
    from unmask.report.html import Page


@dataclass(eq=False)
class _Done:
    """What a run has so far; of a file's pictures only what the report shows is kept."""

    paths: Sequence[str]
    """All files of the run; a file's place is that among these."""
    outputs: Outputs
    """What was asked for."""
    verbosity: Verbosity = field(default_factory=Verbosity)
    """How much is said."""
    page: Page | None = None
    """The report; None before anything is to be shown."""
    results: dict[int, ScanRecord] = field(default_factory=dict)
    """What goes into the JSON, by its place; nothing where none was asked for."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """Of the files that were analysed, and of those that an earlier run finished, by place."""
    failures: dict[int, UnmaskError] = field(default_factory=dict)
    """Why others were not, by their place."""
    pending: set[int] = field(default_factory=set)
    """Places of the files whose scan is still to come."""
    unwritten: list[UnmaskError] = field(default_factory=list)
    """What was finished and could not be told."""
    sinks: list[Sink] = field(default_factory=list)
    """What takes each result when it is there."""
    known: int = 0
    """Files that an earlier run finished."""

    @property
    def empty(self) -> bool:
        """Whether no file is finished."""
        return not self.outcomes and not self.failures

    @property
    def prints(self) -> bool:
        """Whether verdicts go to standard output."""
        return not (self.outputs.to_stdout or self.verbosity.quiet)

    @stage("taking results")
    def add(self, place: int, outcome: Scan | UnmaskError) -> UnmaskError | None:
        """Take a file's outcome; return why there is no result, if there is none."""
        self.pending.discard(place)
        if not isinstance(outcome, UnmaskError) and (error := self._unwritable(place, outcome)):
            outcome = error
        if isinstance(outcome, UnmaskError):
            self.failures[place] = outcome
            return outcome
        self.outcomes[place] = Outcome.of_record(outcome.result)
        if self.outputs.json is not None:
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

    def hand_on(self, place: int, outcome: Scan | UnmaskError, job: Job) -> None:
        """Give a file's outcome to what grows.

        Raises:
            OSError: it could not be written.
        """
        for sink in self.sinks:
            if isinstance(outcome, UnmaskError):
                sink.failure(place, outcome, job)
            else:
                sink.result(place, outcome, job)

    def exit_code(self) -> int:
        """Return the exit code of the run."""
        failed = [Outcome.of_error(error.kind) for error in self.failures.values()]
        return exit_code([*self.outcomes.values(), *failed], self.unwritten)

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
            request = self.outputs
            place = None
            if request.report is not None:
                place = Place(
                    request.report, len(self.paths), request.embed_bytes, request.overlay_films
                )
            self.page = Page(place, examination=request.examination)
        return self.page

    def stopped(self, why: str) -> None:
        """Count what was not finished among the failures."""
        for place in sorted(self.pending):
            kind = "scanned in full" if place in self.outcomes else "analysed"
            message = f"{self.paths[place]!r} was not {kind}: {why}"
            self.failures[place] = AnalysisCrashed(message, hint="scan it again")

    @stage("writing")
    def write(self) -> None:
        """Write what is made at the end."""
        from unmask.core.scan_record import SCHEMA_VERSION, Failure, ScanDocument
        from unmask.report.document import to_json

        failures = [(self.paths[place], error) for place, error in sorted(self.failures.items())]
        errors, outputs = [], self.outputs
        if outputs.json is not None:
            results = tuple(result for _, result in sorted(self.results.items()))
            failed = tuple(Failure(path, e.message, e.hint, e.kind) for path, e in failures)
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

    def places(self, outcomes: Mapping[int, Outcome]) -> list[int]:
        """Return the places of the files to scan, the most suspicious first."""
        probability = {n: outcome.probability for n, outcome in outcomes.items()}
        likely = {n: p for n, p in probability.items() if p is not None and p >= self.threshold}
        return sorted(likely, key=lambda n: (-likely[n], n))


def run_scan(
    inputs: list[str],
    outputs: Outputs,
    job: Job,
    *,
    engine: Engine,
    full: FullScan | None = None,
    verbosity: Verbosity | None = None,
) -> int:
    """Scan everything, print, write, and return the exit code.

    A run that is stopped or cannot go on writes what it has, the rest as failures.
    """
    text = verbosity or Verbosity()
    outputs.check()
    paths = expand(inputs)
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    job, full = _with_films(job, full, outputs, paths)
    with RunLog(text.log_file) as log:
        log.write(f"unmask {version('unmask')} begins, files: {len(paths)}")
        done = _Done(paths, outputs, text)
        _scan_as_far_as_it_goes(job, full, done, engine=engine, log=log)
        done.write()
        analysed = len(done.outcomes) - done.known
        log.write(f"ends, analysed: {analysed}, failed: {len(done.failures)}")
    return done.exit_code()


def _with_films(
    job: Job, full: FullScan | None, outputs: Outputs, paths: Sequence[str]
) -> tuple[Job, FullScan | None]:
    """Let the scan that comes last draw a film of each video, where they were asked for."""
    if not outputs.overlay_films or outputs.report is None:
        return job, full
    from unmask.report.film import OverlayFilms
    from unmask.report.html import overlay_film

    targets = {path: overlay_film(outputs.report, place, path) for place, path in enumerate(paths)}
    draw = OverlayFilms(targets, language().code)
    if full is not None:
        full = replace(full, job=_drawing(full.job, draw))
    return _drawing(job, draw), full


def _drawing(job: Job, draw: OverlayFilms) -> Job:
    """Return a job that draws films, of every frame."""
    return replace(job, draw=draw, settings=replace(job.settings, quick=False))


def _scan_as_far_as_it_goes(
    job: Job, full: FullScan | None, done: _Done, *, engine: Engine, log: RunLog
) -> None:
    """Scan; note what was not scanned where the run is stopped or cannot go on."""
    try:
        _scan_phases(job, full, done, engine=engine, log=log)
    except KeyboardInterrupt:
        log.write("stopped")
        if not done.empty:
            done.stopped("the run was stopped")
            done.write()
        raise
    except Exception as error:
        log.write(f"ended: {error}")
        if done.empty and not isinstance(error, AnalysisCrashed):
            raise
        done.stopped(_cannot_go_on(done, error))


def _cannot_go_on(done: _Done, error: Exception) -> str:
    """Say what ended the run before its end, and return it."""
    full = no_room(error)
    if isinstance(error, DownloadError):
        done.unwritten.append(error)
    if full is None or full.filename is None:
        complain(error)
        return str(error)
    failed = _unwritten(repr(str(full.filename)), full)
    done.unwritten.append(failed)
    return failed.message


def _scan_phases(
    job: Job, full: FullScan | None, done: _Done, *, engine: Engine, log: RunLog
) -> None:
    """Scan all files, and those that a triage suspects in full."""

    def write(text: str) -> None:
        if (error := _print(text, nl=False)) is not None:
            done.unwritten.append(error)

    with done.outputs.opened(done.paths, write) as done.sinks:
        _scan_and_tell(job, done, range(len(done.paths)), engine=engine, log=log)
        if full is not None:
            places = full.places(done.outcomes)
            _scan_and_tell(full.job, done, places, engine=engine, log=log)
    _tell_end(done)


def profiled_scan(inputs: list[str], outputs: Outputs, job: Job) -> int:
    """Scan one file in this process as `run_scan` does, then print its stages to standard error.

    Raises:
        ValueError: there are several files, a time after which a worker would be ended, or an
            output that grows.
    """
    outputs.check()
    paths = expand(inputs)
    if (count := len(paths)) != 1 or job.timeout_seconds is not None:
        raise ValueError(f"--profile measures one file without a --timeout-seconds, got {count}")
    if any(each is not None for each in (outputs.store, outputs.ndjson, outputs.csv)):
        raise ValueError("--profile goes with --json and --report, not with -o, --ndjson or --csv")
    refuse_overwriting(outputs.files, [Path(path) for path in paths])
    done = _Done(paths, outputs)
    with measure_stages() as profile:
        _tell(done, 0, scan_here(paths[0], job))
        done.write()
    sys.stderr.write(f"{profile.table()}\n")
    return done.exit_code()


def _scan_and_tell(
    job: Job, done: _Done, places: Sequence[int], *, engine: Engine, log: RunLog
) -> None:
    """Scan the files at some places, and say of each as it is finished what came of it."""
    todo, copies = _to_scan(job, done, places)
    paths = [done.paths[place] for place in todo]
    if not paths:
        return
    done.pending |= set(todo)
    text = done.verbosity
    lines = text.verbose or not done.prints or done.outputs.store is not None
    bar = progress_bar(
        len(paths), lines=lines and len(paths) > 1, verbose=text.verbose, quiet=text.quiet
    )

    def hear(number: int, stage: str, share: float) -> None:
        bar.of_files(paths[number], stage, share)
        if share == 0 and stage == "opening":
            log.write(f"{paths[number]}: begins")

    outcomes = scan_all(paths, job, engine=engine, progress=hear)
    # after the workers, as they are copies of a process without threads
    loading = Background(partial(_load_for_results, pages=done.outputs.makes_pages))
    with bar:  # it starts a thread too
        for number, outcome in outcomes:
            place = todo[number]
            bar.file_done(paths[number])
            log.write(f"{paths[number]}: {_in_short(outcome)}")
            _tell(done, place, outcome)
            for copy in copies.get(place, ()):
                _tell_copy(done, copy, place, outcome)
            done.hand_on(place, outcome, job)
    loading.wait()


def _to_scan(
    job: Job, done: _Done, places: Sequence[int]
) -> tuple[list[int], dict[int, list[int]]]:
    """Return which files are to be scanned, and for each those with the same content."""
    if not done.sinks:
        return list(places), {}
    plans = [sink.plan(job, places) for sink in done.sinks]
    known = set.intersection(*(set(each.known) for each in plans))
    for place in known:
        done.outcomes[place] = plans[0].known[place]
    done.known = len(known)
    copies: dict[int, list[int]] = {}
    for copy, first in plans[0].copies.items():
        copies.setdefault(first, []).append(copy)
    skipped = known | plans[0].copies.keys()
    return [place for place in places if place not in skipped], copies


def _tell_end(done: _Done) -> None:
    """Say on standard error what a store or a file of lines has now."""
    if not done.sinks or done.verbosity.quiet:
        return
    analysed = len(done.outcomes) - done.known
    text = f"analysed now: {analysed}, known from before: {done.known}"
    if done.failures:
        text += f", failed: {len(done.failures)}"
    store = done.outputs.store
    see = "" if store is None else f"; see `unmask results {shlex.quote(as_typed(store))}`"
    sys.stderr.write(f"note: {text}{see}\n")


def _in_short(outcome: Scan | UnmaskError) -> str:
    if isinstance(outcome, UnmaskError):
        return f"failed: {outcome}"
    verdict = outcome.result.verdict
    return verdict.word if verdict.probability is None else f"{verdict.word}, {verdict.probability}"


def _tell(done: _Done, place: int, outcome: Scan | UnmaskError) -> None:
    """Take a file's outcome and say what came of it."""
    from unmask.cli.runs.scan_summary import headline, summary

    if (error := done.add(place, outcome)) is not None:
        complain(error)
    elif done.prints and not isinstance(outcome, UnmaskError):
        text = summary if done.outputs.store is None else headline
        if (error := _print(text(outcome.result))) is not None:
            done.unwritten.append(error)


def _tell_copy(done: _Done, place: int, first: int, outcome: Scan | UnmaskError) -> None:
    """Take the outcome of another file for one with the same content."""
    done.add(place, outcome)
    if done.prints:
        same = f"{visible(done.paths[place])}: same content as {visible(done.paths[first])}"
        if (error := _print(same)) is not None:
            done.unwritten.append(error)


def _load_for_results(*, pages: bool) -> None:
    """Load what results need, while workers load and make them."""
    import unmask.report.document  # noqa: F401

    if pages:
        from unmask.report.html import compile_templates

        compile_templates()


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


def exit_code(outcomes: Sequence[Outcome], unwritten: Sequence[UnmaskError]) -> int:
    """Return 1 if something was found, else 2, 3 or 0, as the command's help says.

    A finding stands whatever else went wrong, so 1 comes first; 0 is said only when all of it was
    analysed and written.

    Args:
        outcomes: of all files.
        unwritten: what could not be written.
    """
    if any(each.finding for each in outcomes):
        return 1
    if outcomes and not unwritten and all(each.bad_input for each in outcomes):
        return 2
    return 3 if unwritten or not all(each.complete for each in outcomes) else 0
