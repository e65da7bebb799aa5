"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from alone import duty_here
from commands import Command, Done
from unmask.system.telemetry import stop_telemetry

stop_telemetry()  # before any test imports ONNX Runtime, whatever it imports first

# how long an example takes says more about the machine than about the code
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

FIRST = (
    "training/test_resume.py",
    "studies/test_every_study.py",
    "test_privacy.py",
    "training/test_bundle_export.py",
    "training/test_engine.py",
    "explain/test_references.py",
    "cli/test_cli.py",
    "datasets/test_layouts.py",
    "crops/test_pipeline.py",
    "models/test_onnx_export.py",
    "models/test_float16.py",
)
"""Files that take longest, the one of a single long test before all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that at the end no process waits for the other's."""
    folder = Path(__file__).parent
    order = {folder / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give an object store in this process's memory, and the test a machine of its own."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec (extra `remote`)")
    monkeypatch.setenv("UNMASK_HOME", str(tmp_path / "home"))
    system = fsspec.filesystem("memory")
    yield system
    with suppress(FileNotFoundError):
        system.rm("/bucket", recursive=True)


@pytest.fixture
def unmask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Return a function that runs a command in the test's folder, in this process.

    What C libraries write is seen too. Its files are read in this process as well.
    """
    from unmask.cli import main

    monkeypatch.setattr("unmask.system.engines.run_duty", duty_here)

    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["unmask", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capfd.readouterr())

    return run
