"""A scan that kills its process, importable by a worker process."""

from __future__ import annotations

import os

from unmask import jobs
from unmask.errors import UnmaskError
from unmask.values import Scan
from unmask.workers import Tell

_SCAN = jobs._scan


def dies_on_bad(
    analysis: jobs._Analysis, path: str, tell: Tell | None = None
) -> Scan | UnmaskError:
    if path == "bad":
        os._exit(7)
    return _SCAN(analysis, path, tell)
