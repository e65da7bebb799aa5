"""What ties a result to a file: time of the scan, dates of the file, its hash before and after."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from unmask.core.scan_record import Custody
from unmask.system.files import file_sha256


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def custody(path: str | Path, started: datetime) -> Custody:
    """Return the record of a scan that ends now.

    Args:
        path: the file; it is read once more for its hash.
        started: when the scan began.
    """
    finished = now()
    offset = finished.astimezone().utcoffset()
    modified, created = _dates(path)
    return Custody(
        started_utc=iso(started),
        finished_utc=iso(finished),
        utc_offset_minutes=0 if offset is None else round(offset.total_seconds() / 60),
        sha256_after=_hash(path),
        modified_utc=modified,
        created_utc=created,
    )


def iso(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC, to the second.

    >>> iso(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(path: str | Path) -> str | None:
    try:
        return file_sha256(Path(path))
    except OSError:
        return None


def _dates(path: str | Path) -> tuple[str | None, str | None]:
    """Return when a file was modified and created, as far as the file system says."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a str or a Path
    except OSError:
        return None, None
    born = getattr(status, "st_birthtime", None)
    return iso(_time(status.st_mtime)), None if born is None else iso(_time(born))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
