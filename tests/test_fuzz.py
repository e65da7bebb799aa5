"""Damaged files of every kind end no worker, and none loses frames without a word."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import fuzz

WRITE = "import sys, fuzz, pathlib; fuzz.write_seeds(pathlib.Path(sys.argv[1]))"


def test_damaged_files_end_no_worker_and_do_not_lose_frames_silently(tmp_path: Path) -> None:
    # in a fresh process encoders write the same bytes each time
    words = [sys.executable, "-c", WRITE, str(tmp_path / "seeds")]
    subprocess.run(words, check=True, cwd=Path(__file__).parent, capture_output=True)
    lines = list(fuzz.run(list(range(300)), seeds=tmp_path / "seeds"))
    assert len(lines) == 300
    assert [line for line in lines if line["verdict"] in ("crash", "over limit")] == []
    assert [line for line in lines if line["verdict"] == "fewer"] == []
    counts = Counter(line["verdict"] for line in lines)
    assert counts["told"] + counts["refused"] > 150
