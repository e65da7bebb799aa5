"""The record of a scan: times, dates and the file's hash afterwards."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from unmask.scanner.custody import custody


def test_the_hash_is_that_of_the_file_after_the_scan(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    os.utime(path, (0, 86_400))
    record = custody(path, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert record.started_utc == "2026-01-02T03:04:05Z"
    assert record.modified_utc == "1970-01-02T00:00:00Z"
    assert record.sha256_after == hashlib.sha256(b"one").hexdigest()


def test_a_file_that_is_gone_has_no_hash(tmp_path: Path) -> None:
    record = custody(tmp_path / "gone.mp4", datetime(2026, 1, 2, tzinfo=UTC))
    assert (record.sha256_after, record.modified_utc) == (None, None)
