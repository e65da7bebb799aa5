"""Content Credentials and IPTC source types: what a file says of its own origin."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from unmask.core.errors import InputNotFound
from unmask.scanner.credentials import TRUST_VARIABLE, content_credentials, xmp_source_type

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed")
from cryptography import x509  # noqa: E402 - comes with c2pa
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def certificate(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey, *, root: bool,
) -> x509.Certificate:  # fmt: skip
    """Make a certificate as C2PA asks for."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    usage = x509.KeyUsage(not root, False, False, False, False, root, root, False, False)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(own, critical=False)
        .add_extension(above, critical=False)
    )
    if not root:
        signs = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(signs, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a signed picture; the root certificate lies beside it."""
    folder = tmp_path_factory.mktemp("signed")
    plain = folder / "plain.png"
    Image.effect_noise((64, 64), 40).save(plain)
    names = [
        x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A test press"),
            x509.NameAttribute(NameOID.COMMON_NAME, each),
        ])
        for each in ("root", "signer")
    ]  # fmt: skip
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    root = certificate(names[0], keys[0], names[0], keys[0], root=True)
    leaf = certificate(names[1], keys[1], names[0], keys[0], root=False)
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root))
    key = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None))
    action = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    manifest = {
        "claim_generator_info": [{"name": "a camera", "version": "1"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    target = folder / "signed.png"
    c2pa.Builder(manifest).sign_file(str(plain), str(target), signer)
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return target


def test_a_file_without_credentials_says_nothing(signed: Path) -> None:
    claims = content_credentials(signed.with_name("plain.png"))
    assert claims is not None
    assert (claims.state, claims.source_types) == ("absent", ())


def test_a_signed_file_is_valid_by_a_signer_whom_nobody_vouches_for(signed: Path) -> None:
    claims = content_credentials(signed)
    assert claims is not None
    assert (claims.state, claims.issuer, claims.generator) == (
        "valid", "A test press", "a camera",
    )  # fmt: skip
    assert claims.source_types == ("trainedAlgorithmicMedia",)


def test_a_signer_on_the_list_is_trusted(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_VARIABLE, str(signed.with_name("root.pem")))
    claims = content_credentials(signed)
    assert claims is not None
    assert claims.state == "trusted"


def test_a_list_that_is_not_there_is_named(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_VARIABLE, "nowhere.pem")
    with pytest.raises(InputNotFound, match=r"'nowhere\.pem' cannot be read"):
        content_credentials(signed)


def test_a_changed_file_is_well_formed_and_no_more(signed: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-40] ^= 255  # in the pixels
    changed = tmp_path / "changed.png"
    changed.write_bytes(data)
    claims = content_credentials(changed)
    assert claims is not None
    assert claims.state == "well-formed"
    assert "assertion.dataHash.mismatch" in claims.problems


def test_without_the_package_nothing_is_said(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.scanner.credentials.find_spec", lambda name: None)
    assert content_credentials(signed) is None


def test_the_source_type_of_the_metadata_is_read_from_xmp_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    tag = f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{GENERATED}"/>'
    path.write_bytes(b"\xff\xd8" + tag.encode())
    assert xmp_source_type(path) is None
    path.write_bytes(b"\xff\xd8<x:xmpmeta>" + tag.encode() + b"</x:xmpmeta>")
    assert xmp_source_type(path) == "trainedAlgorithmicMedia"
    path.write_bytes(b"")
    assert xmp_source_type(path) is None


def test_a_long_file_is_searched_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    packet = b'<x:xmpmeta Iptc4xmpExt:DigitalSourceType="' + GENERATED.encode() + b'"/></x:xmpmeta>'
    for place in (2**20 - 5, 3 * 2**20 - 1, 2**23):  # across the end of a piece, and at it
        path.write_bytes(b"\0" * place + packet + b"\0" * 2**20)
        assert xmp_source_type(path) == "trainedAlgorithmicMedia"
    path.write_bytes(b"\0" * 2**24)
    tracemalloc.start()
    assert xmp_source_type(path) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**22
