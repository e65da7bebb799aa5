"""`unmask scan` with a quick look first, with its stages told, and what it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commands import Command
from unmask.cli.runs.scan import FullScan
from unmask.core.settings import ScanSettings
from unmask.results.rows import Outcome
from unmask.scanner.batch import Job
from unmask.scanner.repetition import repeat_command

EXAMPLES = Path(__file__).parents[2] / "examples"
FORGED, ORIGINAL = EXAMPLES / "forged.mp4", EXAMPLES / "original.mp4"


def test_a_triage_says_that_it_is_one_and_is_never_all(unmask: Command, tmp_path: Path) -> None:
    done = unmask("scan", ORIGINAL, "--triage", "--profile", "--json", "out.json")
    assert done.returncode == 3
    assert "triage: 8 frames were looked at" in done.stdout
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert result["coverage"]["complete"] is False
    assert result["settings"]["triage"] is True
    assert "--triage" in result["command"]
    stages = {line.split("  ")[0] for line in done.stderr.splitlines()}
    assert {"face search", "network", "decoding key frames", "all of the above"} <= stages


def test_suspicious_files_are_scanned_in_full_afterwards(unmask: Command, tmp_path: Path) -> None:
    unmask("scan", FORGED, ORIGINAL, "--triage", "--json", "triage.json")
    quick = json.loads((tmp_path / "triage.json").read_text())["results"]
    probabilities = [each["verdict"]["probability"] for each in quick]
    threshold = sum(probabilities) / 2
    words = ["--triage", "--then-full", str(threshold), "--no-explain", "--json", "both.json"]
    unmask("scan", FORGED, ORIGINAL, *words)
    both = json.loads((tmp_path / "both.json").read_text())["results"]
    assert [each["settings"]["triage"] for each in both] == [p < threshold for p in probabilities]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--then-full", "0.5"], "--then-full goes with --triage"),
        (["--triage", "--then-full", "7"], "a probability from 0 to 1, got 7"),
        (["--profile", str(FORGED)], "--profile measures one file"),
    ],
)
def test_what_makes_no_sense_is_refused(unmask: Command, words: list[str], why: str) -> None:
    done = unmask("scan", ORIGINAL, *words)
    assert (done.returncode, why in done.stderr) == (2, True)


def test_files_without_a_verdict_are_not_above_a_threshold() -> None:
    assert FullScan(Job(), 0.0).places({0: Outcome.of_error("DecodeError")}) == []


def test_the_command_repeats_a_triage() -> None:
    words = repeat_command("a.mp4", ScanSettings().for_triage(), None)
    expected = "unmask scan --budget 8 --no-explain --triage -- a.mp4"
    assert words == expected


def test_a_scan_loads_neither_templates_nor_progress_bars() -> None:
    code = (
        "import sys; from unmask.cli import main\n"
        f"sys.argv = ['unmask', 'scan', {str(ORIGINAL)!r}, '--triage', '--json', '-']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted({'jinja2', 'rich', 'torch', 'cv2'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
