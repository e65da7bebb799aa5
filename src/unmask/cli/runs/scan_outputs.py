"""Where `unmask scan` writes: files made at the end, lines that grow, and a result store.

What grows takes each file when it is finished, and knows which files it has from an earlier run.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.cli.inputs import refuse_addresses
from unmask.core.errors import InputNotFound, UnmaskError
from unmask.core.text import unicode_text
from unmask.results.outcome import Judged, Outcome, Source, settings_hash
from unmask.results.rows import FileRow, failed_row, file_row
from unmask.scanner.batch import Job
from unmask.system.files import check_parent_folder

if TYPE_CHECKING:
    from unmask.core.scan import Scan
    from unmask.core.scan_record import Examination
    from unmask.results.lines import LineFile
    from unmask.results.writer import StoreWriter

_STDOUT = "-"


def examination(case: str | None, analyst: str | None, note: str | None) -> Examination | None:
    """Return what was said of a run; None where nothing was."""
    if case is analyst is note is None:
        return None
    from unmask.core.scan_record import Examination

    return Examination(case, analyst, note)


@dataclass(frozen=True)
class Outputs:
    """Where results go besides standard output."""

    report: Path | None
    """HTML file."""
    json: Path | None
    """JSON file; `-` is standard output, and then nothing else is printed there."""
    ndjson: Path | None = None
    """File of a line a result; `-` likewise."""
    csv: Path | None = None
    """The same as a table; `-` likewise."""
    store: Path | None = None
    """Folder or address of a result store."""
    resume: bool = False
    """Whether to go on with `ndjson` and `csv` as they are."""
    retry_failures: bool = False
    """Whether to try again what the store has as failed."""
    pages: bool = True
    """Whether the store keeps reports."""
    embed_bytes: int | None = None
    """Size up to which a film is written into the report; None: the report links to it."""
    overlay_films: bool = False
    """Whether a film with boxes and maps drawn in is written for each video, which the report links
    to."""
    examination: Examination | None = None
    """Case, analyst and note, for report and JSON."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself before any file is opened."""
        others = (self.report, self.json, self.ndjson, self.csv)
        if self.store is not None and (self.resume or any(each is not None for each in others)):
            raise ValueError(
                "-o goes without --report, --json, --ndjson, --csv and --resume: a result store "
                "always goes on where it was, and `unmask results` makes the others of it"
            )
        if self.store is None and (self.retry_failures or not self.pages):
            raise ValueError("--retry-failures and --no-pages go with -o")
        if self.overlay_films and self.report is None:
            raise ValueError("--overlay-films goes with --report, which links to them")
        if self.resume and self.ndjson is None and self.csv is None:
            raise ValueError("--resume goes with --ndjson or --csv")
        if self.resume and any(str(each) == _STDOUT for each in (self.ndjson, self.csv)):
            raise ValueError("--resume needs files; standard output cannot be gone on with")
        if sum(str(each) == _STDOUT for each in others) > 1:
            raise ValueError("only one of --json, --ndjson and --csv can go to standard output")

    @property
    def to_stdout(self) -> bool:
        """Whether standard output is that of a file."""
        return any(str(each) == _STDOUT for each in (self.json, self.ndjson, self.csv))

    @property
    def makes_pages(self) -> bool:
        """Whether results are written as pages for people."""
        return self.report is not None or (self.store is not None and self.pages)

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        named = (self.report, self.json, self.ndjson, self.csv)
        return tuple(path for path in named if path is not None and str(path) != _STDOUT)

    def check(self) -> None:
        """Refuse before any file is opened what could not be written at the end.

        Raises:
            InputNotFound: a folder does not exist, or nothing may be written there.
            ValueError: the report is to go to standard output.
        """
        if self.report is not None and str(self.report) == _STDOUT:
            raise ValueError(
                "--report needs a file; --json, --ndjson or --csv can go to standard output"
            )
        refuse_addresses(self.files)
        for path in self.files:
            check_parent_folder(path)
            if not _may_write(path):
                raise InputNotFound(
                    f"{str(path)!r} may not be written", hint="name a file in another folder"
                )

    @contextmanager
    def opened(self, paths: Sequence[str], write: Callable[[str], object]) -> Iterator[list[Sink]]:
        """Open what grows while files are scanned; flush and close it at the end.

        Args:
            paths: all files of the run.
            write: writes to standard output.
        """
        if self.store is not None:
            from unmask.results.writer import writing

            with writing(self.store) as store:
                yield [StoreSink(store, paths, self)]
            return
        if self.ndjson is None and self.csv is None:
            yield []
            return
        from unmask.results.lines import LineFile

        files: list[LineFile] = []
        try:
            if self.ndjson is not None:
                files.append(LineFile(self.ndjson, "ndjson", write=write, resume=self.resume))
            if self.csv is not None:
                files.append(LineFile(self.csv, "csv", write=write, resume=self.resume))
            yield [LineSink(file, paths, self.examination) for file in files]
        finally:
            for file in files:
                file.close()


@dataclass(frozen=True)
class Planned:
    """Which files of a run need no scan, by their places."""

    known: dict[int, Outcome]
    """Those that are finished from before."""
    copies: dict[int, int] = field(default_factory=dict)
    """Those with the content of another file of the run, and the place of that."""


class Sink(ABC):
    """What takes each result when it is there."""

    @abstractmethod
    def plan(self, job: Job, places: Sequence[int]) -> Planned:
        """Tell which files need no scan."""

    @abstractmethod
    def result(self, place: int, scan: Scan, job: Job) -> None:
        """Take a result."""

    @abstractmethod
    def failure(self, place: int, error: UnmaskError, job: Job) -> None:
        """Take why there is none."""


class LineSink(Sink):
    """Lines of a file."""

    def __init__(
        self, file: LineFile, paths: Sequence[str], examination: Examination | None
    ) -> None:
        self._file, self._paths, self._examination = file, paths, examination

    def plan(self, job: Job, places: Sequence[int]) -> Planned:
        """Tell which files need no scan: a path with a line is not read again."""
        del job
        done = self._file.done
        named = {place: unicode_text(self._paths[place]) for place in places}
        return Planned({place: done[path] for place, path in named.items() if path in done})

    def result(self, place: int, scan: Scan, job: Job) -> None:
        """Add its line."""
        from unmask.results.lines import csv_line, ndjson_line

        if self._has(place):
            return
        if self._file.kind == "ndjson":
            self._file.add(ndjson_line(scan.result, self._examination))
        else:
            source = Source.at(self._paths[place])
            self._file.add(csv_line(file_row(scan.result, source, judged_by(job))))

    def failure(self, place: int, error: UnmaskError, job: Job) -> None:
        """Add its line."""
        from unmask.core.scan_record import Failure
        from unmask.results.lines import csv_line, ndjson_failure

        if self._has(place):
            return
        path = self._paths[place]
        if self._file.kind == "ndjson":
            failure = Failure(path, error.message, error.hint, error.kind)
            self._file.add(ndjson_failure(failure, self._examination))
        else:
            self._file.add(csv_line(_failed(error, Source.at(path), path, job)))

    def _has(self, place: int) -> bool:
        return unicode_text(self._paths[place]) in self._file.done


class StoreSink(Sink):
    """A result store."""

    def __init__(self, store: StoreWriter, paths: Sequence[str], outputs: Outputs) -> None:
        self._store, self._paths, self._outputs = store, paths, outputs
        self._began_ns = time.time_ns()
        self._copies: dict[int, int] = {}

    def plan(self, job: Job, places: Sequence[int]) -> Planned:
        """Tell what the store has, by content; note those that were moved."""
        from unmask.results.plan import Retry, plan

        retry = Retry(version("unmask"), always=self._outputs.retry_failures)
        paths = [self._paths[place] for place in places]
        result = plan(paths, self._store.known, judged_by(job), retry)
        for source, content in result.moved:
            self._store.add_path(source, content)
        self._copies = {places[copy]: places[first] for copy, first in result.copies.items()}
        stored = {places[number]: outcome for number, outcome in result.stored.items()}
        return Planned(stored, self._copies)

    def result(self, place: int, scan: Scan, job: Job) -> None:
        """Store it."""
        from unmask.report.html import to_html
        from unmask.results.pages import anchor

        record, examination = scan.result, self._outputs.examination
        row = file_row(record, self._source(place), judged_by(job))
        page = None
        if self._outputs.pages:
            page = to_html(scan, anchor=anchor(row.result_id), examination=examination)
        self._store.add(record, row, page, examination)
        for copy, first in self._copies.items():
            if first == place:
                self._store.add_path(self._source(copy), record.video.sha256)

    def failure(self, place: int, error: UnmaskError, job: Job) -> None:
        """Store it."""
        row = _failed(error, self._source(place), self._paths[place], job)
        self._store.add_failure(row)

    def _source(self, place: int) -> Source:
        """Look at a file that was read in this run.

        Of one that may have been changed since then the time is not noted, so that the next run
        reads it again.
        """
        source = Source.at(self._paths[place])
        if source.mtime_ns is not None and source.mtime_ns < self._began_ns:
            return source
        return replace(source, mtime_ns=None)


@cache
def judged_by(job: Job) -> Judged:
    """Return what a job judges files with."""
    from unmask.bundle.catalogue import SHIPPED, find
    from unmask.bundle.manifest import load_bundle
    from unmask.scanner.repetition import settings_table

    detector = load_bundle(find(job.detector or SHIPPED)).sha256
    return Judged(detector, settings_hash(settings_table(job.settings), stress=job.stress))


def _failed(error: UnmaskError, source: Source, path: str, job: Job) -> FileRow:
    from unmask.results.plan import content_sha256

    content = content_sha256(path)
    return failed_row(error, source, judged_by(job), sha256=content, version=version("unmask"))


def _may_write(path: Path) -> bool:
    """Tell whether a file may be written, or what is there may be."""
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises below a locked folder
        return not os.path.isdir(path) and os.access(path, os.W_OK)  # noqa: PTH112 - as above
    return os.access(path.absolute().parent, os.W_OK | os.X_OK)
