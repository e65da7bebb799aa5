"""What a result is handed on as: a table, and a bundle of everything with its hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unmask.service.scan_row import ScanRow
from unmask.service.signing import Signer

_COLUMNS = (
    "face",
    "time_seconds",
    "frame",
    "x0",
    "y0",
    "x1",
    "y1",
    "probability",
    "logit",
    "not_used_because",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_README = """Evidence bundle of one scan by unmask.

report.html   the report, opens in any browser without network
result.json   everything that was measured (schema: `unmask schema`)
result.csv    a row for each key frame of each face
custody.csv   what happened to the file and its result, and when (UTC)
manifest.json SHA-256 of the original file and of each file here, versions

The original file is not in the bundle: keep it as you got it. Its SHA-256 says that another copy is
the same. A verdict is a lead and never proof; the report says what it cannot tell.
"""


_SIGNED = """
manifest.sig  the operator's signature under manifest.json (Ed25519)
signer.pem    the public key: compare it with the one that the operator publishes

Check the signature, then the hashes in the manifest against the files:
  openssl pkeyutl -verify -pubin -inkey signer.pem -rawin -in manifest.json -sigfile manifest.sig
"""
_UNSIGNED = """
Nobody signed this bundle: the hashes show that its files belong together, not who made them.
"""


def table(document: dict[str, Any]) -> str:
    """Return a result as CSV with a row for each key frame.

    Args:
        document: what `result.json` holds.
    """
    rows = [
        (
            track["id"],
            key["pts_seconds"],
            key["frame_index"],
            *key["box"],
            key["probability"],
            key["logit"],
            key["unusable"],
        )
        for result in document["results"]
        for track in result["tracks"]
        for key in track["key_frames"]
    ]
    return _csv(_COLUMNS, rows)


def bundle(
    row: ScanRow,
    report: Path,
    history: Sequence[tuple[float, str]],
    *,
    signer: Signer | None = None,
) -> bytes:
    """Return a zip file of everything that a scan gave.

    Args:
        row: the scan.
        report: its report; the result lies beside it.
        history: its custody log.
        signer: whose signature stands under the manifest; None: nobody's.
    """
    result = report.with_name("result.json").read_bytes()
    document = json.loads(result)
    lines = [(datetime.fromtimestamp(at, UTC).isoformat(), what) for at, what in history]
    files = {
        "README.txt": (_README + (_SIGNED if signer else _UNSIGNED)).encode(),
        "report.html": report.read_bytes(),
        "result.json": result,
        "result.csv": table(document).encode(),
        "custody.csv": _csv(("at", "what"), lines).encode(),
    }
    manifest = {
        "file": {"name": row.name, "size_bytes": row.size_bytes, "sha256": row.sha256},
        "scan": row.id,
        "made": datetime.now(UTC).isoformat(),
        "unmask": version("unmask"),
        "detector": document["results"][0]["detector"]["name"],
        "detector_sha256": document["results"][0]["detector"]["sha256"],
        "versions": document["results"][0]["versions"],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files["manifest.json"] = json.dumps(manifest, indent=2).encode()
    if signer is not None:
        files["manifest.sig"] = signer.sign(files["manifest.json"])
        files["signer.pem"] = signer.public_pem()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write CSV in which no text is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            [f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in row]
        )
    return text.getvalue()
