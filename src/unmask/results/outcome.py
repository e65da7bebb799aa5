"""What a run knows of a file: which it is, what it is judged with, and what came of it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unmask.core import errors
from unmask.core.text import unicode_text
from unmask.system.remote_files import is_remote, size_and_time

if TYPE_CHECKING:
    from unmask.core.scan_record import ScanRecord  # loads numpy

FOUND = ("some evidence", "substantial evidence")
"""Words by which a video was found to speak for manipulation."""


@dataclass(frozen=True)
class Judged:
    """What a result is judged with: two results of one content with equal ones are the same."""

    detector_sha256: str
    """SHA-256 of the detector."""
    settings_sha256: str
    """SHA-256 of the settings, see `settings_hash`."""

    def result_id(self, content: str) -> str:
        """Return the name of a result: a SHA-256 over content, detector and settings.

        Args:
            content: SHA-256 of a file's bytes, or another text that tells it from all others.
        """
        text = "\n".join((content, self.detector_sha256, self.settings_sha256))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """A file as it was found: where, how large and how old."""

    path: str
    """As given."""
    absolute_path: str
    """From the root of its file system."""
    size_bytes: int | None
    """Size; None where it could not be looked at."""
    mtime_ns: int | None
    """Time of its last change, nanoseconds since 1970; None likewise."""

    @classmethod
    def at(cls, path: str) -> Source:
        """Look at a file."""
        if is_remote(path):
            return cls(path, path, *size_and_time(path))
        absolute = unicode_text(os.path.abspath(path))  # noqa: PTH100 - keeps links as given
        try:
            result = os.stat(path)  # noqa: PTH116 - no path at all may be named, too
        except (OSError, ValueError):
            return cls(unicode_text(path), absolute, None, None)
        return cls(unicode_text(path), absolute, result.st_size, result.st_mtime_ns)


@dataclass(frozen=True)
class Outcome:
    """What a run has to know of a file that is finished, now or in an earlier run."""

    failed: bool
    """Whether there is no result."""
    finding: bool
    """Whether something was found."""
    complete: bool
    """Whether all of the file was analysed."""
    probability: float | None
    """Calibrated P(fake) of the file."""
    version: str
    """Version of the program that looked at it."""
    error_kind: str | None
    """Kind of failure."""

    @classmethod
    def of_record(cls, record: ScanRecord) -> Outcome:
        """Return that of a result."""
        return cls(
            failed=False,
            finding=has_finding(record),
            complete=record.coverage.complete,
            probability=record.verdict.probability,
            version=record.versions["unmask"],
            error_kind=None,
        )

    @classmethod
    def of_error(cls, kind: str, version: str = "") -> Outcome:
        """Return that of a file of which there is no result.

        Args:
            kind: name of the exception.
            version: of the program that raised it.
        """
        return cls(
            failed=True,
            finding=False,
            complete=False,
            probability=None,
            version=version,
            error_kind=kind,
        )

    @property
    def bad_input(self) -> bool:
        """Whether the file cannot be used, whoever reads it."""
        kind = getattr(errors, self.error_kind or "", None)
        return isinstance(kind, type) and issubclass(kind, errors.InputError)


def settings_hash(settings: dict[str, Any], *, stress: bool) -> str:
    """Return the SHA-256 of a scan's settings.

    Args:
        settings: as `provenance.settings_table` gives them, limits included.
        stress: whether each file was judged under distortions too.
    """
    text = json.dumps({**settings, "stress": stress}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def has_finding(record: ScanRecord) -> bool:
    """Tell whether a video or one of its faces was found to speak for manipulation.

    Among many faces a strong one may be too little for the video's own word; it is still told.
    """
    strong = any(track.verdict.word == "substantial evidence" for track in record.tracks)
    return strong or record.verdict.word in FOUND
