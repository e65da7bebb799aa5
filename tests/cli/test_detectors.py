"""`unmask detectors list | show | verify`, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundles import write_bundle
from commands import Command
from unmask.bundle.catalogue import find, list_installed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path))
    return tmp_path


def test_the_list_names_the_shipped_detector_the_users_and_broken_ones(
    unmask: Command, home: Path
) -> None:
    write_bundle(home / "detectors" / "mine")
    (write_bundle(home / "detectors" / "torn").folder / "model.onnx").write_bytes(b"")
    lines = unmask("detectors", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "default", "mine", "torn"]
    assert "average pooling, 16 px" in lines[2]
    assert "broken" in lines[3]


def test_without_a_home_folder_there_is_the_shipped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNMASK_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert list_installed() == {"default": find("default")}


def test_the_card_gives_each_figure_with_interval_and_protocol_and_the_files(
    unmask: Command, home: Path
) -> None:
    figure = {"name": "AUC", "value": 0.75, "interval": (0.7, 0.8), "protocol": "7 crops"}
    bundle = write_bundle(home / "detectors" / "mine", metrics=[figure])
    card = unmask("detectors", "show", "mine").stdout
    assert "| AUC | 0.750 | 0.700 to 0.800 | 7 crops |" in card
    assert bundle.manifest.files["model.onnx"] in card
    for word in ("Apache-2.0", "It knows nothing.", "few-false-alarms"):
        assert word in card


def test_a_whole_detector_passes(unmask: Command, home: Path) -> None:
    folder = write_bundle(home / "detectors" / "mine").folder
    done = unmask("detectors", "verify", str(folder))
    assert (done.returncode, "whole and in working order" in done.stdout) == (0, True)


def test_a_changed_detector_is_broken_and_the_hint_says_what_to_do(
    unmask: Command, home: Path
) -> None:
    folder = write_bundle(home / "detectors" / "mine").folder
    (folder / "model.onnx").write_bytes(b"other")
    done = unmask("detectors", "verify", "mine")
    assert done.returncode == 1
    assert "was changed" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint:")


@pytest.mark.parametrize("command", ["show", "verify"])
def test_an_unknown_detector_is_wrong_use(unmask: Command, command: str) -> None:
    done = unmask("detectors", command, "nothing")
    assert done.returncode == 2
    assert "neither a folder nor one of default" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("scan", "x", "--detector", "torn"),
        ("explain", "x", "-o", "maps", "--detector", "torn"),
        ("explain-check", "torn", "x"),
        ("predict", "torn", "x", "-o", "o.parquet"),
        ("stress", "torn", "x"),
        ("calibrate", "x", "--detector", "torn", "-o", "new"),
        ("card", "torn"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_finds_a_detector_by_its_name(
    unmask: Command, home: Path, words: tuple[str, ...]
) -> None:
    (write_bundle(home / "detectors" / "torn").folder / "model.onnx").write_bytes(b"")
    done = unmask(*words)
    assert done.returncode == 2
    assert "model.onnx was changed" in done.stderr
