"""The command line, run in the process of the tests: a new one takes seconds for its imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Done:
    """What a command left: named as `subprocess.CompletedProcess` names it."""

    returncode: int | str | None
    stdout: str
    stderr: str


class Command(Protocol):
    def __call__(self, *words: str | Path) -> Done: ...
