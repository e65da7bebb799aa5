"""`unmask scan`: progress on stderr, verdicts on stdout, report and JSON to files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from unmask.cli.app import complain
from unmask.cli.inputs import expand
from unmask.errors import InputError, InputNotFound, UnmaskError
from unmask.jobs import Job, scan_all
from unmask.passes import Progress
from unmask.report.document import to_json
from unmask.report.html import to_html, to_html_batch
from unmask.report.wording import statements, survival, visible
from unmask.settings import ScanSettings
from unmask.values import SCHEMA_VERSION, Failure, Scan, ScanDocument, Verdict

FOUND = ("some evidence", "substantial evidence")


@dataclass(frozen=True)
class Outputs:
    """Where results go besides standard output."""

    report: Path | None
    """HTML file."""
    json: Path | None
    """JSON file; `-` is standard output, and then nothing else is printed there."""

    def check(self) -> None:
        """Refuse before any file is opened what could not be written at the end.

        Raises:
            InputNotFound: a folder does not exist, or nothing may be written there.
        """
        for path in (self.report, self.json):
            if path is None or str(path) == "-":
                continue
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
    """Scan everything, print, write, and return the exit code."""
    outputs.check()
    paths = expand(inputs)
    job = Job(detector=detector, settings=settings, threads=threads)
    stressing = _stressing(detector, threads) if stress else _as_it_is
    scans: list[Scan] = []
    failures: list[tuple[str, UnmaskError]] = []
    to_stdout = outputs.json is not None and str(outputs.json) == "-"
    with progress_bar(len(paths)) as progress:
        for path, outcome in scan_all(paths, job, workers=workers, progress=progress.of_file):
            progress.file_done(path)
            if isinstance(outcome, UnmaskError):
                failures.append((path, outcome))
                complain(outcome)
            else:
                scans.append(stressing(outcome))
                if not to_stdout:
                    typer.echo(summary(scans[-1]))
    _write(scans, failures, outputs, single=len(paths) == 1)
    return exit_code(scans, [error for _, error in failures])


def _as_it_is(scan: Scan) -> Scan:
    return scan


def _stressing(detector: str | None, threads: int) -> Callable[[Scan], Scan]:
    """Return what judges a scan again under every distortion."""
    from unmask.bundle import load_bundle, shipped_folder
    from unmask.evaluation.survival import stressed
    from unmask.runtime import Network

    bundle = load_bundle(detector or shipped_folder())
    network = Network(bundle, threads=threads)
    return lambda scan: stressed(scan, bundle, network)


def exit_code(scans: list[Scan], errors: list[UnmaskError]) -> int:
    """Return 1 if something was found, else 2, 3 or 0, as the command's help says.

    A finding stands whatever else went wrong, so 1 comes first; 0 is said only when all of it was
    analysed.
    """
    if any(scan.result.verdict.word in FOUND for scan in scans):
        return 1
    if not scans and errors and all(isinstance(error, InputError) for error in errors):
        return 2
    return 3 if errors or not all(scan.result.coverage.complete for scan in scans) else 0


def _write(
    scans: list[Scan], failures: list[tuple[str, UnmaskError]], outputs: Outputs, *, single: bool
) -> None:
    if outputs.json is not None:
        text = to_json(
            ScanDocument(
                schema_version=SCHEMA_VERSION,
                results=tuple(scan.result for scan in scans),
                failures=tuple(Failure(path, e.message, e.hint) for path, e in failures),
            )
        )
        if str(outputs.json) == "-":
            sys.stdout.write(text)
        else:
            outputs.json.write_text(text, encoding="utf-8")
    if outputs.report is not None:
        if single and scans:
            page = to_html(scans[0])
        else:
            page = to_html_batch(scans, [(path, error.message) for path, error in failures])
        outputs.report.write_text(page, encoding="utf-8")


def summary(scan: Scan) -> str:
    """Put a result into a few lines of text."""
    result = scan.result
    lines = [f"{visible(result.video.path)}: {_words(result.verdict)}"]
    for track in result.tracks:
        span = f"{track.start_seconds:.1f}-{track.end_seconds:.1f} s"
        lines.append(f"  face {track.id}, {span}: {_words(track.verdict)}")
        lines += [f"    {visible(said)}" for said in statements(track.verdict)]
    for place, said in enumerate(survival(result)):
        lines.append(f"  {'' if place == 0 else '  '}{visible(said)}")
    lines += [f"  not analysed: {visible(reason)}" for reason in result.coverage.not_analysed]
    lines += [f"  passing face, not judged: {visible(each)}" for each in result.coverage.passing]
    lines += [f"  hardly a face, not judged: {visible(each)}" for each in result.coverage.doubtful]
    lines += [f"  note: {visible(warning)}" for warning in result.warnings]
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    if verdict.probability is None or verdict.interval is None:
        return f"cannot judge ({verdict.reason})"
    low, high = verdict.interval
    frames = f"{verdict.frames_used} key frame{'' if verdict.frames_used == 1 else 's'}"
    return (
        f"{verdict.word} of manipulation "
        f"(probability {verdict.probability:.2f}, 95 % {low:.2f}-{high:.2f}, {frames})"
    )


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
