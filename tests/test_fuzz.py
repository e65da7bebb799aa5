"""Damaged files of every kind end no worker, and none loses frames without a word."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import fuzz


def test_damaged_files_end_no_worker_and_do_not_lose_frames_silently(tmp_path: Path) -> None:
    lines = list(fuzz.run(list(range(300)), seeds=tmp_path / "seeds"))
    assert len(lines) == 300
    assert [line for line in lines if line["verdict"] in ("crash", "over limit")] == []
    assert [line for line in lines if line["verdict"] == "fewer"] == []
    counts = Counter(line["verdict"] for line in lines)
    assert counts["told"] + counts["refused"] > 150
