"""Evidence bundles that the operator signs, checked by OpenSSL as a reader would."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from service.calls import ended, submit
from unmask.core.errors import InputError, InputNotFound
from unmask.service.signing import read_signer

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
from cryptography.hazmat.primitives import serialization as pem  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

OPENSSL = shutil.which("openssl")


def write_key(path: Path, key: Any, secret: bytes | None = None) -> Path:
    """Write a private key as operators keep it."""
    hidden = pem.NoEncryption() if secret is None else pem.BestAvailableEncryption(secret)
    path.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, hidden))
    path.chmod(0o600)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "operator.pem", ed25519.Ed25519PrivateKey.generate())


def unpack(client: Any, folder: Path) -> dict[str, bytes]:
    """Scan a file and unpack its evidence bundle."""
    scan = ended(client, submit(client).json()["id"])
    packed = client.get(scan["links"]["evidence"]).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
        return {name: archive.read(name) for name in archive.namelist()}


def verify(folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command of the bundle's README."""
    text = (folder / "README.txt").read_text(encoding="utf-8")
    (command,) = [line for line in text.splitlines() if "openssl" in line]
    return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
@pytest.mark.usefixtures("quick_scans")
def test_the_readmes_command_accepts_the_signature_and_refuses_a_change(
    start: Any, key: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    unpack(start(signer=read_signer(key)), folder)
    assert verify(folder).returncode == 0
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"size_bytes": ', b'"size_bytes": 1'))
    assert verify(folder).returncode != 0


@pytest.mark.usefixtures("quick_scans")
def test_a_bundle_without_a_key_says_that_nobody_signed_it(start: Any, tmp_path: Path) -> None:
    files = unpack(start(), tmp_path / "bundle")
    assert "manifest.sig" not in files
    assert b"Nobody signed" in files["README.txt"]
    assert "sha256" in json.loads(files["manifest.json"])


def test_other_keys_are_refused(tmp_path: Path) -> None:
    elliptic = write_key(tmp_path / "ec.pem", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InputError, match="is not an Ed25519 key"):
        read_signer(elliptic)
    locked = write_key(tmp_path / "l.pem", ed25519.Ed25519PrivateKey.generate(), b"secret")
    with pytest.raises(InputError, match="without a passphrase"):
        read_signer(locked)
    (tmp_path / "no.pem").write_text("no key", encoding="utf-8")
    with pytest.raises(InputError, match="is no private key"):
        read_signer(tmp_path / "no.pem")


def test_a_key_that_is_away_or_that_others_may_read_is_refused(key: Path) -> None:
    with pytest.raises(InputNotFound, match="cannot be read"):
        read_signer(key.with_name("gone.pem"))
    key.chmod(0o644)
    with pytest.raises(InputError, match="others on this machine may read"):
        read_signer(key)
