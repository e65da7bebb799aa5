"""Tiny invented data sets in the exact structure of real ones, by the layout's name.

Each is made in seconds and takes a few megabytes: real motion, blended fakes, exact masks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

SYNTH: dict[str, Callable[[Path, int], None]] = {}
"""`make(root, seed)` for each layout: fills an empty folder."""
