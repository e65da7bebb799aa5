"""A scan that kills its process, importable by a worker process."""

from __future__ import annotations

import os

from unmask.core.errors import UnmaskError
from unmask.core.scan import Scan
from unmask.scanner import batch
from unmask.system.workers import Tell

_SCAN = batch._scan


def dies_on_bad(
    analysis: batch._Analysis, path: str, tell: Tell | None = None
) -> Scan | UnmaskError:
    if path == "bad":
        os._exit(7)
    return _SCAN(analysis, path, tell)
