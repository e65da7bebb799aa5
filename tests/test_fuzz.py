"""Damaged files of every kind neither end a worker nor lose frames without a word."""

from __future__ import annotations

from collections import Counter

import fuzz


def test_no_damaged_file_ends_a_worker_or_loses_frames_silently() -> None:
    lines = list(fuzz.run(list(range(300))))
    assert len(lines) == 300
    bad = [line for line in lines if line["verdict"] in ("crash", "over limit", "fewer")]
    assert bad == []
    counts = Counter(line["verdict"] for line in lines)
    assert counts["told"] + counts["refused"] > 150


def test_a_file_is_made_from_its_number_alone(tmp_path: object) -> None:
    first = [(line["number"], line["verdict"], line["said"]) for line in fuzz.run([1, 30, 90])]
    assert first == [
        (line["number"], line["verdict"], line["said"]) for line in fuzz.run([1, 30, 90])
    ]
