"""`unmask doctor`: what is missing, and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from unmask.cli.optional_packages import install_command
from unmask.cli.runs.doctor import run_doctor


def test_what_is_missing_is_told_with_its_use_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"lir", "pyarrow", "timm"}
    monkeypatch.setattr(
        "unmask.cli.runs.doctor.find_spec", lambda name: None if name in gone else find_spec("json")
    )
    assert run_doctor() == 0
    works, _, added = capsys.readouterr().out.partition("\nThis could be added:\n")
    assert "ok       hub: detectors from the Hugging Face Hub" in works
    lines = added.splitlines()
    extras = [line.split(":")[0].split()[-1] for line in lines[::2]]
    assert extras == ["data", "evaluation", "train"]
    assert lines[2].endswith("(lir, pyarrow)")
    assert [line.strip() for line in lines[1::2]] == [install_command(extra) for extra in extras]


@pytest.mark.parametrize(
    ("described", "command"),
    [
        (None, "pip install 'unmask[data]'"),
        ('{"url": "https://example.org/unmask.whl"}', "pip install 'unmask[data]'"),
        ('{"url": "file:///a%20b", "dir_info": {"editable": true}}', "pip install -e '/a b[data]'"),
        ('{"url": "file:///w/unmask.whl"}', "pip install '/w/unmask.whl[data]'"),
    ],
)
def test_a_hint_installs_from_where_the_program_came(
    monkeypatch: pytest.MonkeyPatch, described: str | None, command: str
) -> None:
    class Installed:
        def read_text(self, _: str) -> str | None:
            return described

    monkeypatch.setattr("unmask.cli.optional_packages.distribution", lambda _: Installed())
    assert install_command.__wrapped__("data") == command


def test_without_a_home_folder_it_still_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("UNMASK_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert run_doctor() == 0
    assert "ok       face detector yunet" in capsys.readouterr().out
