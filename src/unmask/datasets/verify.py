"""A manifest against the folder that it was made of, and against the complete data set.

Nothing is repaired: what is missing, surplus, empty, damaged, changed or there twice is named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from unmask.core.settings import Limits
from unmask.datasets.layouts.crop_files import IN_PARQUET
from unmask.datasets.layouts.layout import Expected, Layout, files_below
from unmask.datasets.manifest import Manifest, VideoRecord
from unmask.datasets.row_files import FileState, FileTask, Trouble, inspect
from unmask.system.engines import Engine
from unmask.system.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from unmask.system.workers import Crashed, Duty


@dataclass(frozen=True)
class Count:
    """How many rows of one kind there are, and how many the complete data set has."""

    expected: Expected
    """What is counted."""
    compression: str | None
    """Compression counted; None where rows have none, or none is there."""
    found: int
    """Rows found."""

    @property
    def state(self) -> Literal["complete", "absent", "short", "over"]:
        """Compare; a kind that was not fetched at all is absent, which is no mistake."""
        if self.found == self.expected.count:
            return "complete"
        if self.found == 0:
            return "absent"
        return "short" if self.found < self.expected.count else "over"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one row."""

    id: str
    """The row's id."""
    trouble: Trouble
    """What is wrong."""
    reason: str
    """Why, in a few words."""


@dataclass(frozen=True)
class Verification:
    """What was found."""

    manifest: Manifest
    """The same rows with sizes, and with hashes where they were made."""
    counts: tuple[Count, ...]
    """Counts against the complete data set; empty where they were not asked for or not known."""
    problems: tuple[Problem, ...]
    """What is wrong with rows, in order of id."""
    maskless: tuple[str, ...]
    """Ids of fakes without a mask whose method has masks."""
    extra: tuple[str, ...]
    """Files below the folder that no row names."""
    duplicates: tuple[tuple[str, ...], ...]
    """Ids of rows with the same bytes, the largest group first."""
    opened: bool
    """Whether files were opened."""
    hashed: bool
    """Whether files were hashed; without that there are no duplicates."""

    @property
    def unreadable(self) -> bool:
        """Whether a file could not be read."""
        return any(problem.trouble == "unreadable" for problem in self.problems)

    @property
    def matches(self) -> bool:
        """Whether folder, manifest and the complete data set agree, unreadable files aside."""
        wrong = any(problem.trouble != "unreadable" for problem in self.problems)
        counted = all(count.state in {"complete", "absent"} for count in self.counts)
        return counted and not (wrong or self.extra or self.duplicates or self.maskless)


def verify(
    manifest: Manifest,
    layout: Layout | None,
    *,
    root: str | Path | None = None,
    opened: bool = True,
    hashed: bool = False,
    counted: bool = True,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Compare a manifest with its folder, and with the counts of the complete data set.

    Args:
        manifest: the rows.
        layout: what the complete data set has; None where that is not known.
        root: the data set's folder; None for the one it was indexed in.
        opened: open every file.
        hashed: hash every file, and find those with the same bytes.
        counted: compare the counts with those of the complete data set, if it is not invented.
        workers: files at a time.
        progress: told the number of rows looked at, and of how many.

    Raises:
        InputNotFound: the folder is absent.
    """
    folder = Path(root or manifest.info.root)
    counted = counted and not manifest.info.settings.get("invented")
    extra = _extra(manifest.records, folder, layout.left_out if layout else ())
    tasks = [_task(record, folder, opened, hashed) for record in manifest.records]
    states = _states(tasks, workers, progress)
    records = [
        replace(r, size_bytes=s.size_bytes, sha256=s.sha256 or r.sha256)
        for r, s in zip(manifest.records, states, strict=True)
    ]
    return Verification(
        manifest=manifest.with_records(records, root=str(folder.absolute())),
        counts=tuple(_counts(manifest, layout.expected if layout and counted else ())),
        problems=tuple(_problems(manifest.records, states)),
        maskless=tuple(_maskless(manifest.records)),
        extra=extra,
        duplicates=_duplicates(records) if hashed else (),
        opened=opened,
        hashed=hashed,
    )


def _task(record: VideoRecord, folder: Path, opened: bool, hashed: bool) -> FileTask:
    file, parquet, inner = record.id.partition(IN_PARQUET)
    return FileTask(
        path=folder / f"{file}{parquet.rstrip('/')}",
        inner=inner or None,
        kind=record.kind,
        mask=folder / record.mask if record.mask else None,
        sha256=record.sha256,
        opened=opened,
        hashed=hashed,
    )


def _states(
    tasks: list[FileTask], workers: int, progress: Callable[[int, int], None] | None
) -> list[FileState]:
    states: dict[int, FileState] = {}
    for place, state in _inspect_all(tasks, workers):
        states[place] = state
        if progress:
            progress(len(states), len(tasks))
    return [states[place] for place in range(len(tasks))]


def _inspect_all(tasks: list[FileTask], workers: int) -> Iterator[tuple[int, FileState]]:
    """Yield what was found, with the task's place.

    Files are opened in processes, as a damaged one can end its decoder; hashed only, in threads.
    """
    if not any(task.opened for task in tasks):
        with ThreadPoolExecutor(workers) as pool:
            yield from enumerate(pool.map(partial(inspect, Limits()), tasks))
        return
    duty = Duty(Limits, inspect, reads=_files)
    for place, state in Engine(workers=workers).run(tasks, duty):
        if isinstance(state, Crashed):
            reason = f"the process that opened it died: {state}"
            state = FileState(troubles=(("unreadable", reason),))  # noqa: PLW2901
        yield place, state


def _files(_: Limits, task: FileTask) -> list[Path]:
    """Return what looking at a row opens."""
    return [task.path, *filter(None, [task.mask])]


def _problems(records: Iterable[VideoRecord], states: Iterable[FileState]) -> list[Problem]:
    return [
        Problem(record.id, trouble, reason)
        for record, state in zip(records, states, strict=True)
        for trouble, reason in state.troubles
    ]


def _counts(manifest: Manifest, expected: Iterable[Expected]) -> list[Count]:
    """Count per compression; the official splits only where the rows still have them."""
    official = manifest.info.protocol == "official"
    counted = (each for each in expected if official or each.split is None)
    return [count for each in counted for count in _count(each, manifest.records)]


def _count(expected: Expected, records: Iterable[VideoRecord]) -> list[Count]:
    numbers = Counter(record.compression for record in records if expected.matches(record))
    ordered = sorted(numbers.items(), key=lambda item: item[0] or "")
    return [Count(expected, name, count) for name, count in ordered or [(None, 0)]]


def _maskless(records: Iterable[VideoRecord]) -> list[str]:
    fakes = [record for record in records if record.label == "fake"]
    masked = {record.method for record in fakes if record.mask}
    return [record.id for record in fakes if record.method in masked and not record.mask]


def _extra(
    records: Iterable[VideoRecord], folder: Path, left_out: tuple[str, ...]
) -> tuple[str, ...]:
    """Return media files that are no row's, no mask's, and not in a row's folder of frames."""
    named = {path for record in records for path in (record.id, record.mask) if path}
    named.update(left_out)
    pictures = any(record.kind != "video" for record in records)
    suffixes = VIDEO_SUFFIXES | (PICTURE_SUFFIXES if pictures else frozenset())
    paths = (path.relative_to(folder) for path in files_below(folder, suffixes))
    return tuple(
        path.as_posix()
        for path in paths
        if named.isdisjoint(each.as_posix() for each in (path, *path.parents))
    )


def _duplicates(records: Iterable[VideoRecord]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.sha256 and record.size_bytes:
            groups[record.sha256].append(record.id)
    several = [tuple(ids) for ids in groups.values() if len(ids) > 1]
    return tuple(sorted(several, key=lambda ids: (-len(ids), ids)))
