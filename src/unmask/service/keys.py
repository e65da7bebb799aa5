"""API keys: random, shown once, kept as hashes in a TOML file, each with its own limits.

A key holds 256 random bits, so a single SHA-256 hides it as well as a slow hash would.
"""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask.core.errors import InputError, InputNotFound

_PREFIX = "unmask_"
"""By which scanners for leaked secrets know a key."""
LOCAL_OWNER = "local"
"""Owner of the scans where there are no keys."""


class Key(BaseModel):
    """One key as the file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Who holds it; their scans belong to this name."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the key, hexadecimal."""
    scans_per_day: int = Field(default=1000, ge=1)
    """Most scans that it may start in a day (UTC)."""
    concurrent: int = Field(default=20, ge=1)
    """Most of its scans that wait or run at a time."""
    webhook_secret: str | None = Field(default=None, min_length=16)
    """What webhooks to its addresses are signed with; None: it has none."""


def new_key(name: str) -> tuple[str, str]:
    """Make a key.

    Args:
        name: who will hold it.

    Returns:
        The key, and its entry for the file, which does not hold it.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    entry = Key(name=name, sha256=hash_key(key))
    secret = secrets.token_urlsafe(32)
    return key, (
        f'[[key]]\nname = "{entry.name}"\nsha256 = "{entry.sha256}"\n'
        f"scans_per_day = {entry.scans_per_day}\nconcurrent = {entry.concurrent}\n"
        f'webhook_secret = "{secret}"\n'
    )


def hash_key(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8")).hexdigest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read the file of keys.

    Raises:
        InputNotFound: there is none, or it may not be read.
        InputError: it is not TOML, or an entry is wrong, or there is no entry.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputNotFound(
            f"the keys in {str(path)!r} cannot be read: {error.strerror}",
            hint="make one with `unmask serve --new-key NAME`",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is not TOML: {error}", hint="see docs/service.md for an example"
        ) from error
    try:
        keys = tuple(Key.model_validate(entry) for entry in content.get("key", ()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"an entry of {str(path)!r} is wrong: {place}: {first['msg']}",
            hint="see docs/service.md for an example",
        ) from error
    _require_distinct(path, keys)
    return keys


def _require_distinct(path: Path, keys: tuple[Key, ...]) -> None:
    if not keys:
        raise InputError(
            f"{str(path)!r} holds no keys", hint="add one with `unmask serve --new-key NAME`"
        )
    for what in ("name", "sha256"):
        if len({getattr(key, what) for key in keys}) != len(keys):
            raise InputError(
                f"two keys in {str(path)!r} have the same {what}", hint="give each its own"
            )
