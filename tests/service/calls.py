"""What tests ask of a service again and again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

CLIP = Path(__file__).parents[2] / "examples" / "forged.mp4"


def submit(client: Any, name: str = "clip.mp4", content: bytes | None = None, **more: Any) -> Any:
    """Submit a file and return the answer."""
    data = CLIP.read_bytes() if content is None else content
    return client.post("/v1/scans", files={"file": (name, data)}, **more)


def ended(client: Any, scan_id: str, seconds: float = 60.0, **more: Any) -> dict[str, Any]:
    """Wait until a scan has ended and return it."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        scan: dict[str, Any] = client.get(f"/v1/scans/{scan_id}", **more).json()
        if scan["state"] in {"finished", "failed"}:
            return scan
        time.sleep(0.05)
    raise AssertionError(f"not ended: {scan}")
