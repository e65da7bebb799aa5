"""What an owner may use, and all of them together: asked before a scan is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from unmask.service.admission import queue_full
from unmask.service.database import scans, uploads, usage
from unmask.service.problems import Problem, too_many
from unmask.service.scan_row import OPEN

_RETRY_SECONDS = 10
"""After which a caller who was refused may ask again."""


@dataclass(frozen=True)
class Quota:
    """What one owner may use, and all of them together."""

    queue_limit: int
    """Scans that wait or run, of all owners."""
    storage_bytes: int
    """Bytes of all uploads."""
    concurrent: int | None = None
    """Scans of this owner that wait or run; None: any number."""
    scans_per_day: int | None = None
    """Scans that this owner starts in a day; None: any number."""


def require_room(connection: sa.Connection, owner: str, size_bytes: int, quota: Quota) -> None:
    """Refuse a file that an owner, or all of them together, have no room for.

    Raises:
        Problem: what is used up, and when to ask again.
    """
    waiting = count_scans(connection, OPEN)
    if waiting >= quota.queue_limit:
        raise queue_full(waiting)
    if quota.concurrent is not None:
        own = count_scans(connection, OPEN & (scans.c.owner == owner))
        if own >= quota.concurrent:
            raise too_many(
                "too-many-scans",
                f"{own} scans of this key are waiting or running, which is its limit.",
                seconds=_RETRY_SECONDS,
            )
    if quota.scans_per_day is not None:
        _require_daily(connection, owner, quota.scans_per_day)
    stored = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(scans.c.size_bytes), 0)))
    parts = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(uploads.c.length), 0)).where(
            uploads.c.scan_id.is_(None)
        )
    )
    if int(stored or 0) + int(parts or 0) + size_bytes > quota.storage_bytes:
        raise Problem(507, "storage-full", "There is no room for this file now. Delete old scans.")


def _require_daily(connection: sa.Connection, owner: str, most: int) -> None:
    query = sa.select(usage.c.scans).where(usage.c.owner == owner, usage.c.day == _today())
    used = connection.scalar(query) or 0
    if used >= most:
        now = datetime.now(UTC)
        left = 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)
        detail = f"This key has started {used} scans today, which is its limit."
        raise too_many("daily-limit", detail, seconds=left)


def count_scans(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    """Return how many scans a condition holds for."""
    return connection.scalar(sa.select(sa.func.count()).select_from(scans).where(condition)) or 0


def count_use(connection: sa.Connection, owner: str) -> None:
    """Count a scan that an owner starts today."""
    today = (usage.c.owner == owner) & (usage.c.day == _today())
    raised = connection.execute(usage.update().where(today).values(scans=usage.c.scans + 1))
    if raised.rowcount == 0:
        connection.execute(usage.insert().values(owner=owner, day=_today(), scans=1))


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
