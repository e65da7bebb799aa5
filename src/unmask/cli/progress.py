"""Progress on standard error: of work that is counted, and of files that are scanned."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from unmask.core.text import one_line, visible

_LINE_EVERY_SECONDS = 30.0
"""Time between two lines where there is no terminal to draw a bar on."""


class Count:
    """How far counted work is: how many of how many, at what, and how long it still takes.

    A bar where standard error is a terminal, elsewhere a line now and then.

    Args:
        unit: what is counted, such as `videos`.
    """

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._unit = unit
        self._console = Console(stderr=True)
        self._rich = RichProgress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit + "{task.description}, left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._rich.add_task("", total=None)
        self._begun = self._next_line = time.monotonic()
        self._next_line += _LINE_EVERY_SECONDS

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._rich.stop()

    def update(self, done: int, total: int, stage: str = "") -> None:
        """Show how many are done, of how many, and what else is to be told."""
        described = f", {stage}" if stage else ""
        self._rich.update(self._task, completed=done, total=total, description=described)
        now = time.monotonic()
        if not self._console.is_terminal and now >= self._next_line:
            self._next_line = now + _LINE_EVERY_SECONDS
            self.note(f"{done}/{total} {self._unit}{described}{self._time_left(done, total, now)}")

    def note(self, line: str) -> None:
        """Print a line that stays."""
        if self._console.is_terminal:
            self._rich.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")

    def _time_left(self, done: int, total: int, now: float) -> str:
        if not done:
            return ""
        return f", {duration((now - self._begun) / done * (total - done))} left"


@dataclass(frozen=True)
class Verbosity:
    """How much is said of a run besides its results."""

    quiet: bool = False
    """Nothing but errors; standard output says no verdicts either."""
    verbose: bool = False
    """A line a file with its time, on a terminal too."""
    log_file: Path | None = None
    """Where everything is written with the time."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.quiet and self.verbose:
            raise ValueError("-q goes without -v")


class Bar:
    """How far a run is: this one shows nothing."""

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


class LineBar(Bar):
    """A line for each finished file, with the count and the time that is left.

    Args:
        files: how many there are.
        stages: whether each stage gets a line, too.
    """

    def __init__(self, files: int, *, stages: bool = False) -> None:
        self._files, self._done = files, 0
        self._stages = stages
        self._last = ("", "")
        self._began = time.monotonic()

    def of_files(self, path: str, stage: str, share: float) -> None:
        """Say that a stage of a file begins."""
        del share
        if self._stages and (path, stage) != self._last:
            self._last = (path, stage)
            sys.stderr.write(f"{_short(path)}: {stage}\n")

    def file_done(self, path: str) -> None:
        """Say that a file is finished."""
        self._done += 1
        took = time.monotonic() - self._began
        left = took / self._done * (self._files - self._done)
        rest = f", {duration(left)} left" if self._done < self._files else f" in {duration(took)}"
        sys.stderr.write(f"{self._done} of {self._files}{rest}: {_short(path)}\n")


class RichBar(Bar):
    """A progress bar on standard error: the stages of one file, or files of many."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns: list[ProgressColumn] = [BarColumn(), TimeElapsedColumn()]
        if files > 1:
            columns = [
                TextColumn("{task.fields[count]}"),
                *columns,
                TextColumn("{task.fields[left]}"),
            ]
        self.rich = RichProgress(
            *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True
        )
        self._files, self._done = files, 0
        self._began = time.monotonic()
        self._task = self.rich.add_task("scanning", total=files, count=f"0 of {files}", left="")

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
        left = (time.monotonic() - self._began) / self._done * (self._files - self._done)
        self.rich.update(
            self._task,
            description=_short(path),
            completed=self._done,
            count=f"{self._done} of {self._files}",
            left=f"{duration(left)} left",
        )


def progress_bar(
    files: int, *, lines: bool = False, verbose: bool = False, quiet: bool = False
) -> Bar:
    """Return how far a run is, entered to show it.

    Args:
        files: how many there are.
        lines: whether a line a file is written where standard error is no terminal.
        verbose: whether lines are written on a terminal too, one for each stage.
        quiet: whether nothing is shown.
    """
    if quiet:
        return Bar()
    if sys.stderr.isatty() and not verbose:
        return RichBar(files)
    return LineBar(files, stages=verbose) if lines else Bar()


class RunLog:
    """A file to which lines with the time are added; of nothing where none was named.

    Args:
        path: the file; what is there stays.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> Self:
        """Begin to use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._file is not None:
            with suppress(OSError):  # each line was flushed
                self._file.close()

    def write(self, text: str) -> None:
        """Add a line."""
        if self._file is None:
            return

        try:
            self._file.write(
                f"{datetime.now(UTC).isoformat(timespec='seconds')} {one_line(text)}\n"
            )
            self._file.flush()
        except OSError as error:  # no reason to lose a run
            self._file = None
            sys.stderr.write(f"note: no longer written: {self._path}: {error.strerror}\n")


def duration(seconds: float) -> str:
    """Write a length of time for people.

    >>> duration(7.4), duration(125), duration(7300), duration(200_000)
    ('7 s', '2 min', '2 h 1 min', '2 d 7 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _short(path: str) -> str:

    return visible(Path(path).name)[:40]
