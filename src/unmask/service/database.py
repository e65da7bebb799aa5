"""The database: its tables, and connections that behave alike on SQLite and PostgreSQL.

Transactions that write take the lock at their beginning on SQLite, so that what they read first
still holds when they write; on PostgreSQL an advisory lock does the same where limits are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

scans = sa.Table(
    "scans",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("media_type", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(64)),
    sa.Column("share", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("leased_by", sa.String(64)),
    sa.Column("leased_until", sa.Float),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("answered", sa.Float),
    sa.Column("error", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Column("word", sa.String(32)),
    sa.Column("probability", sa.Float),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("webhook_url", sa.Text),
    sa.Column("film", sa.String(2)),
    sa.UniqueConstraint("owner", "idempotency_key", name="one_scan_per_idempotency_key"),
    sa.Index("scans_by_state", "state", "created"),
    sa.Index("scans_by_owner", "owner", "created"),
)
"""Accepted files: the queue and its results' summary. Times are seconds since 1970 (UTC)."""

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("scan_id", sa.String(32)),
    sa.Column("film", sa.String(2)),
)
"""Resumable uploads that are under way, or whose scan has begun."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("scan_id", sa.String(32), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
)
"""The custody log: what happened to a file and its result, and when."""

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("scans", sa.Integer, nullable=False),
)
"""Scans that each owner started on a day; deleting a scan gives none back."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("scan_id", sa.String(32), nullable=False, index=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", sa.Float, nullable=False, index=True),
)
"""Webhooks that are still to be delivered."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("key_sha256", sa.String(64), nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
)
"""Browsers that have shown a key."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS = 30_000
"""How long SQLite waits for another writer."""
_LOCK = 0x756E6D61736B
"""Number of PostgreSQL's advisory lock: `unmask` in ASCII."""


class Database:
    """Connections to one database.

    Args:
        url: address as SQLAlchemy takes it; `postgresql://` is driven by psycopg.
    """

    def __init__(self, url: str) -> None:
        address = sa.make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = sa.create_engine(address, connect_args={"check_same_thread": False})
            sa.event.listen(self.engine, "connect", _set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(address, pool_pre_ping=True, pool_size=20)

    def upgrade(self) -> None:
        """Create the tables, or bring them to the present version."""
        from alembic import command
        from alembic.config import Config

        with self.writing() as connection:
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that no other `writing` runs beside; it is committed at the end."""
        connected = self.engine.connect().execution_options(writes=True)
        with connected as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    def forget(self) -> None:
        """Overwrite what was deleted where SQLite still keeps it, in its log of changes."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                raw = connection.connection.dbapi_connection
                assert raw is not None  # noqa: S101 - it was just opened
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """Let transactions begin as `_begin_sqlite` says, and deleted rows be overwritten."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
