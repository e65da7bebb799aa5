"""What the HTTP API says of a scan, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from unmask.service import pdf
from unmask.service.scan_row import ScanRow
from unmask.service.scans import overall_share


class VerdictBrief(BaseModel):
    """The verdict in short; the result says how sure it is."""

    word: str
    """How much speaks for manipulation."""
    probability: float | None
    """Calibrated probability of manipulation; null where it cannot be judged."""


class ScanProblem(BaseModel):
    """Why a scan failed."""

    error: str
    """What was wrong."""
    hint: str | None
    """The next step."""


class ScanStatus(BaseModel):
    """A scan: how far it is and where its result is."""

    id: str
    """Its id."""
    name: str
    """The file's name, as it was sent."""
    state: Literal["queued", "running", "finished", "failed"]
    """How far it is."""
    stage: str | None
    """What is being done, while it runs."""
    progress: float
    """How much of the whole is done, 0 to 1, roughly."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file."""
    media_type: str
    """What the file is, by its content."""
    attempts: int
    """How often the scan was begun."""
    created: datetime
    """When it was accepted."""
    started: datetime | None
    """When it was last begun."""
    finished: datetime | None
    """When it ended."""
    verdict: VerdictBrief | None
    """The verdict, once there is one."""
    problem: ScanProblem | None
    """Why it failed, if it did."""
    links: dict[str, str]
    """Where the rest is."""


class ScanList(BaseModel):
    """Part of a list of scans."""

    items: list[ScanStatus]
    """The newest first."""
    next: str | None
    """The cursor of the next part; null at the end."""


class CustodyEvent(BaseModel):
    """One entry of the custody log."""

    at: datetime
    """When."""
    what: str
    """What happened."""


def moment(seconds: float | None) -> datetime | None:
    """Return a time as stored in the database as one that JSON shows."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def status_of(row: ScanRow) -> ScanStatus:
    """Return what a caller sees of a scan."""
    base = f"/v1/scans/{row.id}"
    links = {"self": base, "events": f"{base}/events", "custody": f"{base}/custody"}
    if row.state == "finished":
        names = ["result", "result.csv", "report", "pictures", "evidence"]
        names += ["report.pdf"] if pdf.available() else []
        names += ["film"] if row.film is not None else []
        links |= {name: f"{base}/{name}" for name in names}
    verdict = None if row.word is None else VerdictBrief(word=row.word, probability=row.probability)
    failed = row.state == "failed"
    return ScanStatus(
        id=row.id,
        name=row.name,
        state=row.state,
        stage=row.stage if row.state == "running" else None,
        progress=1.0 if row.ended else overall_share(row.stage, row.share),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        media_type=row.media_type,
        attempts=row.attempts,
        created=datetime.fromtimestamp(row.created, UTC),
        started=moment(row.started),
        finished=moment(row.finished),
        verdict=verdict,
        problem=ScanProblem(error=row.error or "unknown", hint=row.hint) if failed else None,
        links=links,
    )
