"""What a file says of its own origin: C2PA Content Credentials, and IPTC's source type in its XMP.

These are claims of whoever made or edited the file. They stand beside the verdict and never change
it, and their absence says nothing. They are read where `unmask[provenance]` is installed, without
the network: manifests that lie elsewhere are not fetched, and no certificate is asked for online.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from unmask.core.errors import InputNotFound
from unmask.core.scan_record import ContentCredentials, CredentialState

TRUST_VARIABLE = "UNMASK_TRUST_ANCHORS"
"""Names a PEM file of the certificates that are trusted; without it no signer is."""
_STATES: Mapping[str, CredentialState] = {"Trusted": "trusted", "Valid": "valid"}
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_SOURCE_TYPE = re.compile(rb"DigitalSourceType.{0,200}?digitalsourcetype/(\w{1,80})", re.DOTALL)
_PACKET_BEGIN, _PACKET_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_MOST_XMP_BYTES = 1_000_000
_PIECE_BYTES = 2**20
"""A file is searched in pieces: mapped as a whole it would count as memory of the scan."""
_MOST_PACKETS = 8
_MOST_PROBLEMS = 8


def content_credentials(path: str | Path) -> ContentCredentials | None:
    """Return what a file says of its origin.

    Args:
        path: the file.

    Returns:
        The claims; None where the package for them is not installed or the file cannot be read.

    Raises:
        InputNotFound: the list of trusted certificates cannot be read.
    """
    if find_spec("c2pa") is None:
        return None
    try:
        source_type = xmp_source_type(Path(path))
    except OSError:
        return None
    return _manifest(str(path), source_type)


def _manifest(path: str, xmp: str | None) -> ContentCredentials:
    import c2pa

    context = c2pa.Context.from_dict(_OFFLINE | _trust())
    try:
        with c2pa.Reader(path, context=context) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return ContentCredentials("absent", xmp_source_type=xmp)
    except c2pa.C2paError.NotSupported:
        return ContentCredentials("unsupported", xmp_source_type=xmp)
    except (c2pa.C2paError, ValueError) as error:
        return ContentCredentials("unreadable", problems=(str(error),), xmp_source_type=xmp)
    return _claims(store, xmp)


def _trust() -> dict[str, Any]:
    """Return the setting that names the trusted certificates, nothing where none are named."""
    named = os.environ.get(TRUST_VARIABLE)
    if not named:
        return {}
    try:
        return {"trust": {"trust_anchors": Path(named).read_text(encoding="ascii")}}
    except (OSError, ValueError) as error:
        raise InputNotFound(
            f"the list of trusted certificates {named!r} cannot be read: {error}",
            hint=f"set {TRUST_VARIABLE} to a PEM file, or unset it",
        ) from error


def _claims(store: Mapping[str, Any], xmp: str | None) -> ContentCredentials:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    makers = [each.get("name", "") for each in manifest.get("claim_generator_info", [])]
    problems = dict.fromkeys(each.get("code", "") for each in store.get("validation_status", []))
    return ContentCredentials(
        state=_STATES.get(store.get("validation_state", ""), "well-formed"),
        generator=", ".join(filter(None, makers)) or manifest.get("claim_generator"),
        issuer=signature.get("issuer"),
        signed=signature.get("time"),
        source_types=tuple(dict.fromkeys(_source_types(manifest))),
        problems=tuple(problems)[:_MOST_PROBLEMS],
        xmp_source_type=xmp,
    )


def _source_types(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the source types of the actions that a manifest tells of."""
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion.get("data", {}).get("actions", []):
                if named := action.get("digitalSourceType"):
                    yield str(named).rsplit("/", 1)[-1]


def xmp_source_type(path: Path) -> str | None:
    """Return IPTC's digital source type from a file's XMP, such as `trainedAlgorithmicMedia`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for start in islice(_find_all(file, _PACKET_BEGIN), _MOST_PACKETS):
            file.seek(start)
            packet = file.read(_MOST_XMP_BYTES)
            end = packet.find(_PACKET_END)
            if end > 0 and (match := _SOURCE_TYPE.search(packet, 0, end)):
                return match[1].decode("ascii", "replace")
    return None


def _find_all(file: BinaryIO, word: bytes) -> Iterator[int]:
    """Yield where a word begins in a file, a piece of which is in memory at a time."""
    place, piece = 0, b""
    while True:
        file.seek(place + len(piece))
        more = file.read(_PIECE_BYTES)
        if not more:
            return
        kept = piece[len(piece) - len(word) + 1 :] if piece else b""
        place, piece = place + len(piece) - len(kept), kept + more
        found = piece.find(word)
        while found >= 0:
            yield place + found
            found = piece.find(word, found + 1)
