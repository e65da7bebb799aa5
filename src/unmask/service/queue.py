"""The queue: accepted scans, who works on each, and what came of them, all in the database.

A scan is leased for some seconds at a time, and whoever works on it renews the lease. One whose
lease has run out belongs to a process that died and is begun again, a few times at the most. So
several services can share a queue, none works on what another does, and nothing accepted is lost.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, get_args

import sqlalchemy as sa

from unmask.service.database import Database, deliveries, events, scans, uploads
from unmask.service.problems import Problem
from unmask.service.quotas import Quota, count_scans, count_use, require_room
from unmask.service.scan_row import COLUMNS, OPEN, Page, ScanRow, State, Submission
from unmask.service.storage import new_id
from unmask.service.webhooks import body


class Queue:
    """The scans of all owners.

    Args:
        database: where they are.
        lease_seconds: how long one may be silent who works on a scan.
        max_attempts: how often a scan is begun.
    """

    def __init__(self, database: Database, *, lease_seconds: float, max_attempts: int) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._max_attempts = max_attempts

    def require_room(self, owner: str, size_bytes: int, quota: Quota) -> None:
        """Refuse early what would be refused once it is received.

        Raises:
            Problem: 429 where the queue is full or the owner has too many, 507 without space.
        """
        with self._database.reading() as connection:
            require_room(connection, owner, size_bytes, quota)

    def accept(self, submission: Submission, quota: Quota) -> ScanRow:
        """Put a scan into the queue; once this returns it is never lost.

        Returns:
            The scan: an earlier one where the idempotency key was used before.

        Raises:
            Problem: as for `require_room`; 422 where the idempotency key came with another file.
        """
        with self._database.writing() as connection:
            earlier = _find_repeated(connection, submission.owner, submission.idempotency_key)
            if earlier is not None:
                _require_same(earlier, submission)
                return earlier
            require_room(connection, submission.owner, submission.size_bytes, quota)
            now = time.time()
            connection.execute(
                scans.insert().values(
                    **{each.name: getattr(submission, each.name) for each in fields(submission)},
                    state="queued",
                    attempts=0,
                    created=now,
                )
            )
            count_use(connection, submission.owner)
            _log_event(connection, submission.id, f"received, SHA-256 {submission.sha256}")
            return _require(connection, submission.id)

    def repeated(self, owner: str, idempotency_key: str | None) -> ScanRow | None:
        """Return the scan that was accepted under an idempotency key, if there is one."""
        with self._database.reading() as connection:
            return _find_repeated(connection, owner, idempotency_key)

    def claim(self, worker: str) -> ScanRow | None:
        """Take the oldest scan that nobody works on; None where there is none.

        One that was begun too often fails, with its reason.
        """
        while True:
            with self._database.writing() as connection:
                now = time.time()
                free = (scans.c.state == "queued") | (
                    (scans.c.state == "running") & (scans.c.leased_until < now)
                )
                query = sa.select(*COLUMNS).where(free).order_by(scans.c.created).limit(1)
                result = _first(connection, query)
                if result is None:
                    return None
                if result.attempts < self._max_attempts:
                    return self._lease(connection, result, worker, now)
                why = (
                    f"The scan was begun {result.attempts} times, and each time its process ended."
                )
                _end(connection, result.id, state="failed", error=result.error or why)

    def _lease(
        self, connection: sa.Connection, scan_row: ScanRow, worker: str, now: float
    ) -> ScanRow:
        _update(
            connection,
            scan_row.id,
            state="running",
            attempts=scan_row.attempts + 1,
            leased_by=worker,
            leased_until=now + self._lease_seconds,
            started=now,
            stage="starting",
            share=0.0,
        )
        _log_event(connection, scan_row.id, f"scan begun, attempt {scan_row.attempts + 1}")
        return _require(connection, scan_row.id)

    def renew(self, worker: str, progress: dict[str, tuple[str, float]]) -> set[str]:
        """Say that scans are still worked on, and how far they are.

        Args:
            worker: who says so.
            progress: stage and share by id.

        Returns:
            Those that are no longer this worker's: deleted, or taken over by another.
        """
        lost = set()
        with self._database.writing() as connection:
            until = time.time() + self._lease_seconds
            for scan_id, (stage, share) in progress.items():
                kept = connection.execute(
                    scans.update()
                    .where(scans.c.id == scan_id, scans.c.leased_by == worker)
                    .values(leased_until=until, stage=stage, share=share)
                )
                if kept.rowcount == 0:
                    lost.add(scan_id)
        return lost

    def release(self, worker: str, scan_id: str, *, error: str | None = None) -> None:
        """Give a scan back, to be begun again; without an error the attempt does not count."""
        with self._database.writing() as connection:
            if (result := _held(connection, worker, scan_id)) is None:
                return
            attempts = result.attempts - (error is None)
            if error is not None and attempts >= self._max_attempts:
                _end(connection, scan_id, state="failed", error=f"{error} (tried {attempts} times)")
                return
            _update(
                connection,
                scan_id,
                state="queued",
                attempts=attempts,
                leased_by=None,
                leased_until=None,
                stage=None,
                share=None,
                error=error,
            )
            _log_event(connection, scan_id, f"scan ended early: {error or 'the service stopped'}")

    def finish(self, worker: str, scan_id: str, **values: Any) -> bool:
        """Store how a scan ended.

        Args:
            worker: who worked on it.
            scan_id: the scan.
            values: its last columns, `state` among them.

        Returns:
            Whether it still was this worker's; if not, nothing is stored.
        """
        with self._database.writing() as connection:
            if _held(connection, worker, scan_id) is None:
                return False
            _end(connection, scan_id, **values)
            return True

    def get(self, owner: str, scan_id: str) -> ScanRow | None:
        """Return a scan of an owner."""
        with self._database.reading() as connection:
            query = sa.select(*COLUMNS).where(scans.c.id == scan_id, scans.c.owner == owner)
            return _first(connection, query)

    def page(self, owner: str, *, limit: int, cursor: str | None, words: str | None) -> Page:
        """Return part of an owner's scans, the newest first.

        Args:
            owner: whose.
            limit: most to return.
            cursor: where the part before ended.
            words: what a file's name or its verdict holds; None: any.
        """
        query = sa.select(*COLUMNS).where(scans.c.owner == owner)
        if words:
            query = query.where(
                scans.c.name.icontains(words, autoescape=True)
                | scans.c.word.icontains(words, autoescape=True)
            )
        if cursor is not None:
            created, scan_id = _read_cursor(cursor)
            place = sa.tuple_(created, scan_id)
            query = query.where(sa.tuple_(scans.c.created, scans.c.id) < place)
        query = query.order_by(scans.c.created.desc(), scans.c.id.desc()).limit(limit + 1)
        with self._database.reading() as connection:
            result = [ScanRow(*row) for row in connection.execute(query)]
        last = result[limit - 1] if len(result) > limit else None
        following = None if last is None else f"{last.created!r}~{last.id}"
        return Page(tuple(result[:limit]), following)

    def delete(self, owner: str, scan_id: str) -> bool:
        """Remove a scan with its log and its webhooks; whether there was one."""
        with self._database.writing() as connection:
            mine = sa.delete(scans).where(scans.c.id == scan_id, scans.c.owner == owner)
            if connection.execute(mine).rowcount == 0:
                return False
            for table in (events, deliveries, uploads):
                connection.execute(sa.delete(table).where(table.c.scan_id == scan_id))
            return True

    def expired(self, *, before: float) -> Sequence[ScanRow]:
        """Return the scans that ended before a time, or were answered, to be removed."""
        query = sa.select(*COLUMNS).where(scans.c.finished < before)
        return self._all(query)

    def answered(self) -> Sequence[ScanRow]:
        """Return the scans whose result was read."""
        return self._all(sa.select(*COLUMNS).where(scans.c.answered.is_not(None)))

    def old_uploads(self, *, before: float) -> Sequence[str]:
        """Forget resumable uploads that were begun before a time, and return their ids."""
        with self._database.writing() as connection:
            old = sa.delete(uploads).where(uploads.c.created < before)
            return list(connection.execute(old.returning(uploads.c.id)).scalars())

    def unknown(self, scan_ids: Collection[str]) -> set[str]:
        """Return those ids that no scan has."""
        with self._database.reading() as connection:
            known = connection.execute(sa.select(scans.c.id).where(scans.c.id.in_(scan_ids)))
            return set(scan_ids) - set(known.scalars())

    def _all(self, query: sa.Select[Any]) -> Sequence[ScanRow]:
        with self._database.reading() as connection:
            return [ScanRow(*row) for row in connection.execute(query)]

    def note(self, scan_id: str, what: str, *, answered: bool = False) -> None:
        """Write into the custody log of a scan."""
        with self._database.writing() as connection:
            if connection.scalar(sa.select(scans.c.id).where(scans.c.id == scan_id)) is None:
                return  # deleted meanwhile: nothing of it is kept
            _log_event(connection, scan_id, what)
            if answered:
                first = scans.c.answered.is_(None)
                now = time.time()
                connection.execute(
                    scans.update().where(scans.c.id == scan_id, first).values(answered=now)
                )

    def history(self, scan_id: str) -> list[tuple[float, str]]:
        """Return the custody log of a scan: times and what happened."""
        query = sa.select(events.c.at, events.c.what).where(events.c.scan_id == scan_id)
        with self._database.reading() as connection:
            return [(at, what) for at, what in connection.execute(query.order_by(events.c.number))]

    def open_scans(self) -> int:
        """Return how many scans wait or run."""
        with self._database.reading() as connection:
            return count_scans(connection, OPEN)

    def counts(self) -> dict[str, int]:
        """Return how many scans are in each state."""
        query = sa.select(scans.c.state, sa.func.count()).group_by(scans.c.state)
        with self._database.reading() as connection:
            counted = {state: int(count) for state, count in connection.execute(query)}
        return {state: counted.get(state, 0) for state in get_args(State)}


def _first(connection: sa.Connection, query: sa.Select[Any]) -> ScanRow | None:
    row = connection.execute(query).first()
    return None if row is None else ScanRow(*row)


def _require(connection: sa.Connection, scan_id: str) -> ScanRow:
    return ScanRow(*connection.execute(sa.select(*COLUMNS).where(scans.c.id == scan_id)).one())


def _held(connection: sa.Connection, worker: str, scan_id: str) -> ScanRow | None:
    mine = (scans.c.id == scan_id) & (scans.c.leased_by == worker)
    return _first(connection, sa.select(*COLUMNS).where(mine))


def _find_repeated(
    connection: sa.Connection, owner: str, idempotency_key: str | None
) -> ScanRow | None:
    if idempotency_key is None:
        return None
    same = (scans.c.owner == owner) & (scans.c.idempotency_key == idempotency_key)
    return _first(connection, sa.select(*COLUMNS).where(same))


def _require_same(earlier: ScanRow, submission: Submission) -> None:
    """Refuse an idempotency key that was used for something else."""
    compared = ("sha256", "name", "webhook_url", "film")
    if any(getattr(earlier, each) != getattr(submission, each) for each in compared):
        text = "This Idempotency-Key was used for another file. Use a new key for each file."
        raise Problem(422, "idempotency-key-reused", text)


def _update(connection: sa.Connection, scan_id: str, **values: Any) -> None:
    connection.execute(scans.update().where(scans.c.id == scan_id).values(**values))


def _end(connection: sa.Connection, scan_id: str, **values: Any) -> None:
    """Store how a scan ended, and let its webhook be sent."""
    now = time.time()
    cleared: dict[str, Any] = dict.fromkeys(("leased_by", "leased_until", "stage", "share"))
    _update(connection, scan_id, **(cleared | {"finished": now} | values))
    text = values["state"] if values.get("error") is None else f"failed: {values['error']}"
    _log_event(connection, scan_id, f"scan {text}")
    row = _require(connection, scan_id)
    if row.webhook_url is not None:
        connection.execute(
            deliveries.insert().values(
                id=new_id(),
                scan_id=scan_id,
                owner=row.owner,
                url=row.webhook_url,
                body=body(row.id, row.state, row.finished),
                attempts=0,
                due=now,
            )
        )


def _log_event(connection: sa.Connection, scan_id: str, what: str) -> None:
    connection.execute(events.insert().values(scan_id=scan_id, at=time.time(), what=what))


def _read_cursor(cursor: str) -> tuple[float, str]:
    created, _, scan_id = cursor.partition("~")
    try:
        return float(created), scan_id
    except ValueError as error:
        raise Problem(422, "invalid-request", "The cursor is not one of this service.") from error
