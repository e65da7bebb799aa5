"""`unmask detectors list | show | verify`, as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bundles import write_bundle

RUN = (sys.executable, "-c", "from unmask.cli import main; main()")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path))
    return tmp_path


def unmask(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *words], capture_output=True, text=True, check=False)


def test_the_list_names_the_shipped_detector_the_users_and_broken_ones(home: Path) -> None:
    write_bundle(home / "detectors" / "mine")
    (write_bundle(home / "detectors" / "torn").folder / "model.onnx").write_bytes(b"")
    lines = unmask("detectors", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "default", "mine", "torn"]
    assert "average pooling, 16 px" in lines[2]
    assert "broken" in lines[3]


def test_the_card_gives_each_figure_with_interval_and_protocol_and_the_files(home: Path) -> None:
    figure = {"name": "AUC", "value": 0.75, "interval": (0.7, 0.8), "protocol": "7 crops"}
    bundle = write_bundle(home / "detectors" / "mine", metrics=[figure])
    card = unmask("detectors", "show", "mine").stdout
    assert "| AUC | 0.750 | 0.700 to 0.800 | 7 crops |" in card
    assert bundle.manifest.files["model.onnx"] in card
    for word in ("Apache-2.0", "It knows nothing.", "few-false-alarms"):
        assert word in card


def test_a_whole_detector_passes(home: Path) -> None:
    folder = write_bundle(home / "detectors" / "mine").folder
    done = unmask("detectors", "verify", str(folder))
    assert (done.returncode, "whole and in working order" in done.stdout) == (0, True)


def test_a_changed_detector_is_broken_and_the_hint_says_what_to_do(home: Path) -> None:
    folder = write_bundle(home / "detectors" / "mine").folder
    (folder / "model.onnx").write_bytes(b"other")
    done = unmask("detectors", "verify", "mine")
    assert done.returncode == 1
    assert "was changed" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint:")


@pytest.mark.parametrize("command", ["show", "verify"])
def test_an_unknown_detector_is_wrong_use(command: str) -> None:
    done = unmask("detectors", command, "nothing")
    assert done.returncode == 2
    assert "neither a folder nor one of default" in done.stderr
