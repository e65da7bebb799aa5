"""Which files of a run are new to a store, told without reading those that have not changed.

A file whose path, size and time are known is taken to be unchanged. Any other one is hashed only
where a known file, or another one of the run, has exactly its size: the rest cannot be a copy.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unmask.results.index import KnownFiles
from unmask.results.outcome import Judged, Outcome, Source
from unmask.system.files import file_sha256


@dataclass(frozen=True)
class Plan:
    """What is to be done, by place among the files of a run."""

    scan: list[int] = field(default_factory=list)
    """Files to scan, in order."""
    stored: dict[int, Outcome] = field(default_factory=dict)
    """Files of which the store has the result."""
    copies: dict[int, int] = field(default_factory=dict)
    """Files with the content of another one that is to be scanned, and the place of that."""
    moved: list[tuple[Source, str]] = field(default_factory=list)
    """Paths that are new to the store, with their known content."""


@dataclass(frozen=True)
class Retry:
    """Which failures are tried again."""

    version: str
    """Version of the program: what another one failed at is."""
    always: bool = False
    """Whether all of them are."""

    def wants(self, known: Outcome) -> bool:
        """Tell whether a known result is to be made again."""
        return known.failed and (self.always or known.version != self.version)


def plan(paths: Sequence[str], known: KnownFiles, judged: Judged, retry: Retry) -> Plan:
    """Decide which files to scan.

    Args:
        paths: all files of the run.
        known: what the store has.
        judged: what they are to be judged with.
        retry: which failures are tried again.
    """
    result = Plan()
    sizes = Counter(size for path in paths if (size := _regular_size(path)) is not None)
    first: dict[str, int] = {}
    for place, path in enumerate(paths):
        source = Source.at(path)
        content = known.content_at(source)
        if content is None and _may_be_copy(path, known, sizes):
            content = content_sha256(path)
            if content is not None and known.result(judged.result_id(content)) is not None:
                result.moved.append((source, content))
        if content is None:
            result.scan.append(place)
            continue
        outcome = known.result(judged.result_id(content))
        if outcome is not None and not retry.wants(outcome):
            result.stored[place] = outcome
        elif content in first:
            result.copies[place] = first[content]
        else:
            first[content] = place
            result.scan.append(place)
    return result


def content_sha256(path: str) -> str | None:
    """Return the SHA-256 of a regular file; None for what is none, or cannot be read."""
    if _regular_size(path) is None:
        return None
    try:
        return file_sha256(Path(path))
    except OSError:
        return None


def _may_be_copy(path: str, known: KnownFiles, sizes: Counter[int]) -> bool:
    size = _regular_size(path)
    return size is not None and (sizes[size] > 1 or known.has_size(size))


def _regular_size(path: str) -> int | None:
    try:
        result = os.stat(path)  # noqa: PTH116 - no path at all may be named, too
    except (OSError, ValueError):
        return None
    return result.st_size if stat.S_ISREG(result.st_mode) else None
