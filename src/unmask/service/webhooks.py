"""Webhooks: a finished scan is told to an address that its owner named, signed and tried again.

The request follows the Standard Webhooks specification (headers `webhook-id`, `webhook-timestamp`
and `webhook-signature`, HMAC-SHA256). An address inside a network is never called: the host's
addresses are looked up, each must be public, and the connection goes to exactly the one that was
checked, so that a name that changes its mind gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

import sqlalchemy as sa

from unmask.service.database import Database, deliveries
from unmask.service.keys import Key
from unmask.service.problems import Problem

_log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0
_WAITS_SECONDS = (5.0, 60.0, 600.0, 3600.0, 6 * 3600.0)
"""Time until each further attempt."""
_LOOK_SECONDS = 1.0
_BATCH = 20
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """An address that is not called."""


def body(scan_id: str, state: str, finished: float | None) -> str:
    """Return what is told of a scan's end: its id and state, and neither names nor scores.

    Args:
        scan_id: its id.
        state: how it ended.
        finished: when it ended, seconds since 1970; now where that is not known.
    """
    at = datetime.fromtimestamp(finished or time.time(), UTC)
    data = {"id": scan_id, "state": state}
    return json.dumps({"type": "scan.ended", "timestamp": at.isoformat(), "data": data})


def sign(secret: str, message_id: str, timestamp: int, content: str) -> str:
    """Return the signature of a webhook.

    Args:
        secret: what its owner and this service know.
        message_id: the webhook's id.
        timestamp: when it is sent, seconds since 1970.
        content: its body.

    Source: Standard Webhooks, "Signature scheme".
    """
    signed = f"{message_id}.{timestamp}.{content}".encode()
    digest = hmac.new(secret.encode("utf-8"), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def check_address(url: str) -> None:
    """Refuse a webhook's address that can never be called, before the scan is accepted.

    Raises:
        Problem: 422 with the reason.
    """
    try:
        parts = _split(url)
        if _is_address(parts.hostname or ""):
            public_address(parts.hostname or "", parts.port or 443)
    except (Refused, ValueError) as error:
        raise Problem(422, "webhook-address", f"This webhook is not called: {error}.") from error


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection that takes too long, from another thread."""
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise Refused("its address must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise Refused("its address must hold no user name")
    _ = parts.port  # raises ValueError where it is no port
    return parts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet.

    >>> is_public("93.184.215.14"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    result = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(result, ipaddress.IPv6Address):
        inside = result.ipv4_mapped or result.sixtofour
        if result in _NAT64:
            inside = ipaddress.IPv4Address(int(result) & 0xFFFFFFFF)
        if result.teredo is not None:
            return False
        if inside is not None:
            return inside.is_global and not inside.is_multicast
    return result.is_global and not result.is_multicast


def public_address(host: str, port: int) -> str:
    """Look up a host and return an address of it; all of them must be public.

    Raises:
        Refused: one is not, or there is none.
    """
    try:
        result = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("its host cannot be found") from error
    addresses = [str(each[4][0]) for each in result]
    if not addresses or not all(map(is_public, addresses)):
        raise Refused("its host is not on the public internet")
    return addresses[0]


class _Pinned(http.client.HTTPSConnection):
    """A connection to an address that was checked, under the name that it goes by."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_SECONDS, context=context)
        self._address = address
        self._trust = context

    def connect(self) -> None:
        """Connect to the address, and check the certificate of the name."""
        raw = socket.create_connection((self._address, self.port), _TIMEOUT_SECONDS)
        self.sock = self._trust.wrap_socket(raw, server_hostname=self.host)


class Deliveries:
    """The webhooks that are still to be sent.

    Args:
        database: where they are.
        keys: whose secrets they are signed with.
        context: which certificates are trusted; None for the system's.
    """

    def __init__(
        self, database: Database, keys: tuple[Key, ...], context: ssl.SSLContext | None = None
    ) -> None:
        self._database = database
        self._secrets = {key.name: key.webhook_secret for key in keys}
        self._context = context

    def send_due(self) -> float:
        """Send what is due; return the seconds until the next look."""
        now = time.time()
        for row in self._taken(now):
            try:
                status = self._send(row)
                why = None if 200 <= status < 300 else f"status {status}"
            except (Refused, OSError, ValueError, http.client.HTTPException) as error:
                why = str(error) if isinstance(error, Refused) else type(error).__name__
            self._settle(row, why, time.time())
        return _LOOK_SECONDS

    def _taken(self, now: float) -> list[sa.Row[tuple[object, ...]]]:
        """Return what is due, put off so that no other process sends it too."""
        with self._database.writing() as connection:
            due = sa.select(deliveries).where(deliveries.c.due <= now).limit(_BATCH)
            rows = list(connection.execute(due))
            ids = [row.id for row in rows]
            later = now + _BATCH * 4 * _TIMEOUT_SECONDS
            connection.execute(
                deliveries.update().where(deliveries.c.id.in_(ids)).values(due=later)
            )
        return rows

    def _send(self, row: sa.Row[tuple[object, ...]]) -> int:
        secret = self._secrets.get(row.owner)
        if secret is None:
            raise Refused("the key has no webhook_secret")
        parts = _split(row.url)
        host, port = parts.hostname or "", parts.port or 443
        address = public_address(host, port)
        stamp = int(time.time())
        context = self._context or ssl.create_default_context()
        connection = _Pinned(host, port, address, context)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "unmask",
            "webhook-id": row.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(secret, row.id, stamp, row.body),
        }
        # the time-out of a socket is one of each read; a receiver may send a byte at a time
        end = threading.Timer(3 * _TIMEOUT_SECONDS, _cut, (connection,))
        end.daemon = True
        end.start()
        try:
            connection.request("POST", target, row.body.encode(), headers)
            return connection.getresponse().status
        finally:
            end.cancel()
            connection.close()

    def _settle(self, row: sa.Row[tuple[object, ...]], why: str | None, now: float) -> None:
        attempts = row.attempts + 1
        with self._database.writing() as connection:
            this = deliveries.c.id == row.id
            if why is None or attempts > len(_WAITS_SECONDS):
                connection.execute(sa.delete(deliveries).where(this))
            else:
                due = now + _WAITS_SECONDS[attempts - 1]
                connection.execute(
                    deliveries.update().where(this).values(attempts=attempts, due=due)
                )
        if why is not None:
            _log.warning("a webhook was not delivered (attempt %d): %s", attempts, why)
