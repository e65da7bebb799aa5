"""`unmask doctor`: what is missing, and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from unmask.cli.doctor import run_doctor
from unmask.cli.extras import OPTIONAL


def test_every_optional_package_that_is_missing_is_told_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"lir", "pyarrow", "timm"}
    monkeypatch.setattr(
        "unmask.cli.doctor.find_spec", lambda name: None if name in gone else find_spec("json")
    )
    assert run_doctor() == 0
    told = capsys.readouterr().out.splitlines()
    assert {f"missing  optional package {name}: {OPTIONAL[name]}" for name in gone} <= set(told)
    assert "ok       optional package torch" in told
    assert all("pip install 'unmask[" in how for how in OPTIONAL.values())


def test_without_a_home_folder_it_still_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("UNMASK_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert run_doctor() == 0
    assert "ok       face detector yunet" in capsys.readouterr().out
