"""Lines that an earlier run wrote are gone on with, wherever it was ended."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from unmask.results.lines import CSV_COLUMNS, resumed


def test_a_line_that_was_torn_within_a_letter_is_written_again(tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerow({"path": "für.mp4", "status": "analysed", "word": "little evidence"})
    whole = text.getvalue().encode()
    path = tmp_path / "out.csv"
    path.write_bytes(whole + b"f\xc3")
    resumed(path, "csv")
    assert path.read_bytes() == whole
