"""A scan as the database has it, one that is handed in, and a part of the list of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from unmask.service.database import scans

State = Literal["queued", "running", "finished", "failed"]


@dataclass(frozen=True)
class ScanRow:
    """One scan as the database has it."""

    id: str
    """Its id."""
    owner: str
    """Name of the key that it belongs to."""
    name: str
    """The file's name as its owner called it: untrusted text."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file, hexadecimal."""
    media_type: str
    """What the file is, by its content."""
    state: State
    """How far it is."""
    stage: str | None
    """What is being done, while it runs."""
    share: float | None
    """How much of that is done, 0 to 1."""
    attempts: int
    """How often it was begun."""
    created: float
    """When it was accepted, seconds since 1970."""
    started: float | None
    """When it was last begun."""
    finished: float | None
    """When it ended."""
    answered: float | None
    """When its result was first read."""
    error: str | None
    """Why it failed."""
    hint: str | None
    """The next step then."""
    word: str | None
    """The verdict's word."""
    probability: float | None
    """The verdict's probability."""
    webhook_url: str | None
    """Where its end is told."""
    film: str | None
    """Language of a film with boxes and maps drawn in; None: there is none."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in {"finished", "failed"}


OPEN = scans.c.state.in_(("queued", "running"))
"""Condition: nothing has come of it yet."""
COLUMNS = [scans.c[each.name] for each in fields(ScanRow)]
"""What a `ScanRow` is made of, in its order."""


@dataclass(frozen=True)
class Submission:
    """A file that was received whole, and what its owner asks for."""

    id: str
    """Id of the scan; its file is stored."""
    owner: str
    """Whose it is."""
    name: str
    """The file's name."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Its SHA-256."""
    media_type: str
    """What it is."""
    idempotency_key: str | None = None
    """A second submission of the same file under the same one is the first one again."""
    webhook_url: str | None = None
    """Where the end is to be told."""
    film: str | None = None
    """Language of the film that is to be drawn; None: none."""


@dataclass(frozen=True)
class Page:
    """Part of a list."""

    items: tuple[ScanRow, ...]
    """The newest first."""
    cursor: str | None
    """Where the next part begins; None at the end."""
