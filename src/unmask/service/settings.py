"""Every setting of the service with its default, checked before anything is opened."""

from __future__ import annotations

import ipaddress
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from unmask.core.errors import InputError
from unmask.service.keys import Key
from unmask.service.signing import Signer


def default_folder() -> Path:
    """Return where uploads and results lie by default, mostly ~/.local/state/unmask.

    Raises:
        InputError: the user has no home folder.
    """
    if named := os.environ.get("XDG_STATE_HOME"):
        return Path(named) / "unmask"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise InputError(
            "there is no folder for uploads and results: the user has no home folder",
            hint="name one with --data",
        ) from error
    return home / ".local" / "state" / "unmask"


@dataclass(frozen=True)
class ServiceSettings:
    """How the service runs."""

    data: Path
    """Folder of uploads and results, and of the embedded database."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0 for any that is free."""
    database_url: str | None = None
    """Database; None for SQLite in the data folder."""
    keys: tuple[Key, ...] = ()
    """Who may use it; empty: whoever can reach the loopback address."""
    public_hosts: tuple[str, ...] = ()
    """Names under which it is reached from outside, as in a request's Host header."""
    workers: int = 1
    """Files that are scanned at a time."""
    detector: str | None = None
    """Name or folder of a detector; None for the shipped one."""
    queue_limit: int = 100
    """Most scans that wait or run; more are refused."""
    max_upload_bytes: int = 2 * 2**30
    """Largest upload."""
    storage_bytes: int = 50 * 2**30
    """Most that uploads may take in all."""
    free_bytes: int = 256 * 2**20
    """What must stay free on the disk."""
    retention_seconds: float = 24 * 3600.0
    """How long uploads and results are kept after a scan; 0: results until they were answered once,
    uploads until they were scanned."""
    max_attempts: int = 3
    """How often a scan is begun whose process or server dies."""
    lease_seconds: float = 15.0
    """A scan whose server has not been heard of for so long is begun again."""
    warm_up: bool = True
    """Whether a small picture is scanned before the service calls itself ready."""
    signer: Signer | None = None
    """Who signs evidence bundles; None: nobody."""
    webhooks: bool = field(default=True)
    """Whether finished scans are told to addresses that callers name."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, and to be reached from outside without keys.

        Raises:
            ValueError: a number is out of range.
            InputError: a public address without keys.
        """
        for name in ("workers", "queue_limit", "max_upload_bytes", "storage_bytes", "max_attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (math.isfinite(self.lease_seconds) and self.lease_seconds > 0):
            raise ValueError(f"lease_seconds must be above zero, got {self.lease_seconds}")
        if not (math.isfinite(self.retention_seconds) and self.retention_seconds >= 0):
            raise ValueError(f"the retention must not be negative, got {self.retention_seconds}")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, got {self.port}")
        if not self.keys and not is_loopback(self.host):
            raise InputError(
                f"{self.host} can be reached by others, and no keys are given",
                hint="make a key with `unmask serve --new-key NAME` and give the file with --keys, "
                "or leave --host away",
            )

    @property
    def zero_retention(self) -> bool:
        """Whether nothing is kept once it was answered."""
        return self.retention_seconds == 0


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
