"""The operator's signature under an evidence bundle: Ed25519 over the manifest.

The manifest holds the SHA-256 of every file of the bundle, so one signature covers them all. It is
checked without this program: `openssl pkeyutl -verify` (see the bundle's README).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.core.errors import InputError, InputNotFound

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_HINT = "make one with `openssl genpkey -algorithm ed25519 -out operator.pem`"


@dataclass(frozen=True)
class Signer:
    """Signs in the operator's name."""

    key: Ed25519PrivateKey
    """The private key; it leaves this process nowhere."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self.key.sign(data)

    def public_pem(self) -> bytes:
        """Return the public key in PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_signer(path: Path) -> Signer:
    """Read the operator's private key, PEM without a passphrase.

    Raises:
        InputNotFound: there is no such file, or it may not be read.
        InputError: it is no Ed25519 key, or others may read it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        data = path.read_bytes()
        shared = path.stat().st_mode & 0o077
    except OSError as error:
        text = f"the signing key {str(path)!r} cannot be read: {error.strerror}"
        raise InputNotFound(text, hint=_HINT) from error
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = f"{str(path)!r} is no private key in PEM without a passphrase"
        raise InputError(text, hint=_HINT) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"the key in {str(path)!r} is not an Ed25519 key", hint=_HINT)
    if shared:
        text = f"others on this machine may read the signing key {str(path)!r}"
        raise InputError(text, hint=f"chmod 600 {path}")
    return Signer(key)
