"""Results as lines of a file that grows while files are scanned: NDJSON and CSV.

A line is written in one piece when its file is finished and is never changed, so that whatever ends
the run costs at most the files in work. `resumed` drops a line that was torn and tells which files
have theirs.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

from unmask.core.errors import InputError
from unmask.core.scan_record import SCHEMA_VERSION, Examination, Failure, ScanDocument, ScanRecord
from unmask.report.document import from_json, to_line
from unmask.results.rows import FileRow, Outcome
from unmask.system.files import name_full_disk, write_whole

Format = Literal["ndjson", "csv"]
CSV_COLUMNS = tuple(each.name for each in fields(FileRow))
"""Names of the columns of a CSV file, those of the store's rows."""
_YES = {"True": True, "False": False, "": False}


def ndjson_line(record: ScanRecord, examination: Examination | None = None) -> str:
    """Return a result as a line: a whole document, as `scan --json` writes it, of this file."""
    return to_line(ScanDocument(SCHEMA_VERSION, (record,), (), examination))


def ndjson_failure(failure: Failure, examination: Examination | None = None) -> str:
    """Return a failure as a line of the same kind."""
    return to_line(ScanDocument(SCHEMA_VERSION, (), (failure,), examination))


def csv_line(row: FileRow) -> str:
    """Return a row as a line of CSV; lists are JSON, what was not measured is empty."""
    values = asdict(row)
    return csv_text([json.dumps(v) if isinstance(v, list | tuple) else v for v in values.values()])


def csv_text(values: list[object]) -> str:
    """Return values as one line of CSV.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: names of files
    are anybody's.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_harmless(value) for value in values])
    return line.getvalue()


class LineFile:
    """A file that lines are added to, each whole or not at all.

    Args:
        path: the file, made new; `-` is standard output.
        kind: what its lines are.
        write: writes to standard output.
        resume: keep the lines that are there, and add to them.

    Raises:
        InputError: it is to go on with a file of another kind.
        OSError: it cannot be written.
    """

    def __init__(
        self, path: Path, kind: Format, *, write: Callable[[str], object], resume: bool = False
    ) -> None:
        self.path, self.kind = path, kind
        self.done: dict[str, Outcome] = {}
        self._write = write
        self._file: int | None = None
        if str(path) == "-":
            self._start()
            return
        if resume and path.exists():
            self.done = resumed(path, kind)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if self.done else os.O_TRUNC)
        self._file = os.open(path, flags, 0o666)
        if not self.done:
            self._start()

    def add(self, line: str) -> None:
        """Add a line; when this returns the system has it.

        Raises:
            OSError: there is no room; the file ends with the line before.
        """
        if self._file is None:
            self._write(line)
            return
        end = os.fstat(self._file).st_size
        rest = memoryview(line.encode())
        with name_full_disk(self.path):
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except BaseException:  # Ctrl-C as well
                if self.path.is_file():
                    os.ftruncate(self._file, end)
                raise

    def close(self) -> None:
        """Flush it to the disk and close it."""
        if self._file is not None:
            if self.path.is_file():
                os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def _start(self) -> None:
        if self.kind == "csv":
            self.add(csv_text(list(CSV_COLUMNS)))


def resumed(path: Path, kind: Format) -> dict[str, Outcome]:
    """Drop the torn end of a file of lines, and return which files have a line, by path.

    Raises:
        InputError: its lines are of another kind.
    """
    outcomes: dict[str, Outcome] = {}

    def keep_whole(partial: Path) -> None:
        read = _ndjson_lines if kind == "ndjson" else _csv_lines
        # a line may be torn within a letter
        with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as kept:
            for line, named, outcome in read(path):
                kept.write(line)
                if named is not None and outcome is not None:
                    outcomes[named] = outcome

    write_whole(path, keep_whole)
    return outcomes


def _ndjson_lines(path: Path) -> Iterator[tuple[str, str | None, Outcome | None]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return  # torn by whatever ended the run
            try:
                document = from_json(line)
            except InputError as error:
                raise InputError(
                    f"line {number} of {str(path)!r} is no result: {error.message}",
                    hint="name another file, or leave out --resume to write it from the start",
                ) from error
            for record in document.results:
                yield line, record.video.path, Outcome.of_record(record)
            for failure in document.failures:
                yield line, failure.path, Outcome.of_error(failure.kind or "")


def _csv_lines(path: Path) -> Iterator[tuple[str, str | None, Outcome | None]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line

        for number, values in enumerate(csv.reader(lines())):
            text = "".join(taken)
            taken.clear()
            whole = len(values) == len(CSV_COLUMNS) and text.endswith("\n")
            if not whole and next(file, None) is None:
                return  # torn
            if number == 0 and values == list(CSV_COLUMNS):
                yield text, None, None
                continue
            row = dict(zip(CSV_COLUMNS, values, strict=False))
            if number == 0 or not whole or row["status"] not in {"analysed", "failed"}:
                raise InputError(
                    f"line {number + 1} of {str(path)!r} is no result of a scan",
                    hint="name another file, or leave out --resume to write it from the start",
                )
            yield text, _plain(row["path"]), _outcome(row)


def _outcome(row: dict[str, str]) -> Outcome:
    if row["status"] == "failed":
        return Outcome.of_error(row["error_kind"], row["unmask_version"])
    probability = float(row["probability"]) if row["probability"] else None
    return Outcome(
        failed=False,
        finding=_YES[row["finding"]],
        complete=_YES[row["complete"]],
        probability=probability,
        version=row["unmask_version"],
        error_kind=None,
    )


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _plain(text: str) -> str:
    """Return a text of a CSV file as it was before an apostrophe was put in front."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
