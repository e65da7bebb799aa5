"""The parts of a running service, and who is asking it."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Request
from starlette.datastructures import Headers

from unmask.service.admission import Admission
from unmask.service.database import Database, sessions
from unmask.service.keys import LOCAL_OWNER, Key, hash_key
from unmask.service.metrics import Metrics
from unmask.service.problems import Problem, not_found
from unmask.service.queue import Queue
from unmask.service.quotas import Quota
from unmask.service.runner import Runner
from unmask.service.scan_row import ScanRow
from unmask.service.settings import ServiceSettings
from unmask.service.storage import Storage
from unmask.service.webhooks import Deliveries

COOKIE = "unmask_session"
SESSION_SECONDS = 12 * 3600
"""How long a browser stays signed in."""


@dataclass(frozen=True)
class Owner:
    """Who is asking."""

    name: str
    """Name of the key, or that of the one who is at the machine."""
    key: Key | None
    """The key; None where there are none."""


@dataclass
class Service:
    """Everything that answers use."""

    settings: ServiceSettings
    """How the service runs."""
    database: Database
    """Connections."""
    queue: Queue
    """The scans."""
    storage: Storage
    """Their files."""
    admission: Admission
    """Whether there is room, without asking the database."""
    metrics: Metrics
    """What is counted."""
    runner: Runner
    """The threads that work."""
    ready: bool = False
    """Whether the first scan succeeded."""
    not_ready: str = "The first scan is not finished yet."
    """Why it is not ready."""
    _keys: dict[str, Key] = field(default_factory=dict)

    @classmethod
    def create(cls, settings: ServiceSettings) -> Service:
        """Put the parts together; the database is brought to the present version."""
        storage = Storage(settings.data)
        database = Database(settings.database_url or f"sqlite:///{_database_file(settings.data)}")
        database.upgrade()
        queue = Queue(
            database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts
        )
        metrics = Metrics()
        deliveries = Deliveries(database, settings.keys)
        admission = Admission(settings.queue_limit)
        runner = Runner(settings, queue, storage, deliveries, metrics=metrics, admission=admission)
        keys = {key.sha256: key for key in settings.keys}
        return cls(settings, database, queue, storage, admission, metrics, runner, _keys=keys)

    def quota(self, owner: Owner) -> Quota:
        """Return what an owner may use."""
        limits = self.settings.queue_limit, self.settings.storage_bytes
        if owner.key is None:
            return Quota(*limits)
        return Quota(*limits, owner.key.concurrent, owner.key.scans_per_day)

    def owner_of_key(self, key: str) -> Owner | None:
        """Return who holds a key."""
        result = self._keys.get(hash_key(key))
        return None if result is None else Owner(result.name, result)

    def knows(self, headers: Headers) -> bool:
        """Tell from memory whether a request comes from someone who may hand in files."""
        return not self.settings.keys or self.owner_of_bearer(headers) is not None

    def owner_of_bearer(self, headers: Headers) -> Owner | None:
        """Return who sends a key with a request."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return self.owner_of_key(key.strip()) if scheme.lower() == "bearer" else None

    def sign_in(self, owner: Owner) -> str:
        """Begin a session of a browser and return its token."""
        assert owner.key is not None  # noqa: S101 - nobody signs in where there are no keys
        token = secrets.token_urlsafe(32)
        with self.database.writing() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.expires < time.time()))
            connection.execute(
                sessions.insert().values(
                    token_sha256=_hash(token),
                    owner=owner.name,
                    key_sha256=owner.key.sha256,
                    expires=time.time() + SESSION_SECONDS,
                )
            )
        return token

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.token_sha256 == _hash(token)))

    def owner_of_session(self, token: str) -> Owner | None:
        """Return who signed in; None where the session or its key is no longer valid."""
        query = sa.select(sessions.c.key_sha256).where(
            sessions.c.token_sha256 == _hash(token), sessions.c.expires > time.time()
        )
        with self.database.reading() as connection:
            key = self._keys.get(connection.scalar(query) or "")
        return None if key is None else Owner(key.name, key)

    def require_scan(self, owner: Owner, scan_id: str) -> ScanRow:
        """Return a scan of an owner.

        Raises:
            Problem: 404 where there is none; another's scan is none.
        """
        row = self.queue.get(owner.name, scan_id)
        if row is None:
            raise not_found()
        return row

    def delete(self, owner: Owner, scan_id: str) -> None:
        """Delete a scan and everything of it, whatever it is doing.

        Raises:
            Problem: 404 where there is none.
        """
        if not self.queue.delete(owner.name, scan_id):
            raise not_found()
        self.admission.update(self.queue.open_scans())
        self.runner.cancel(scan_id)
        self.storage.remove(scan_id)
        self.database.forget()


def _database_file(folder: Path) -> Path:
    return folder.absolute() / "unmask.sqlite"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def service_of(request: Request) -> Service:
    """Return the service that a request was sent to."""
    service: Service = request.app.state.service
    return service


def known_owner(request: Request) -> Owner | None:
    """Return who is asking: by a key, a browser's session, or being at the machine itself."""
    service = service_of(request)
    if not service.settings.keys:
        return Owner(LOCAL_OWNER, None)
    if "authorization" in request.headers:
        return service.owner_of_bearer(request.headers)
    token = request.cookies.get(COOKIE)
    return None if token is None else service.owner_of_session(token)


def require_owner(request: Request) -> Owner:
    """Return who is asking.

    Raises:
        Problem: 401 where nobody is known.
    """
    owner = known_owner(request)
    if owner is None:
        raise Problem(
            401,
            "unauthorized",
            "Send a valid key: `Authorization: Bearer unmask_...`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return owner


ServiceHere = Annotated[Service, Depends(service_of)]
OwnerHere = Annotated[Owner, Depends(require_owner)]
