"""`unmask study` as a user meets it."""

# ruff: noqa: E402 - imports wait for the check that packages are there

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

for package in ("pyarrow", "torch", "lightning", "timm", "yaml"):
    pytest.importorskip(package, reason=f"studies that train need {package} (extra `train`)")

from typer.testing import CliRunner

from unmask.cli.app import app
from unmask.cli.runs.study import StudySelection
from unmask.studies.catalogue import STUDIES, find_studies

NAMES = [
    "all-frames", "class-weights", "explanation-consistency", "imbalance-methods",
    "frame-selection", "unseen-manipulations", "temporal-information", "imbalance-severity",
    "leak", "gradual-changes", "spurious-cues",
]  # fmt: skip


def test_every_study_of_the_document_is_listed() -> None:
    done = CliRunner().invoke(app, ["study", "list"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == NAMES == list(STUDIES)


def test_a_near_name_is_proposed() -> None:
    with pytest.raises(ValueError, match="did you mean leak"):
        find_studies("leaks")
    assert len(find_studies("all")) == len(STUDIES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["leak", "--scale", "huge"], "no scale 'huge'; there are: quick, full"),
        (["leak", "--scale", "full"], "the full scale runs on your data, and none was given"),
        (["nothing"], "no study 'nothing'"),
        (["leak", "--strategies", "none,balanced,luck"], "no strategy 'luck'; there are: none,"),
        (["leak", "--strategies", "none"], "compared with 'balanced': add it to 'none'"),
        (["leak", "--methods", "gradcam,sight"], "no method of explaining 'sight'; there are: "),
        (["leak", "--ratios", "1:1,10"], "ratios look like 10:1,1:1,1:10, got '1:1,10'"),
        (["leak", "--ratios", "1:10,10:1"], "compared with 1:1, got '1:10,10:1'"),
        (["leak", "--ratios", "1:1,1:0"], "ratios are above 0 and compared with 1:1"),
    ],
)
def test_wrong_use_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["study", "run", *words, "-o", str(tmp_path / "out")])
    assert said in str(done.exception)


def test_strategies_and_ratios_are_those_that_were_asked_for() -> None:
    asked = StudySelection(
        "all", "full", None, None, None, None, "balanced, none", "1:5,1:1,20:2", "gradcam"
    )
    scale = asked.scaled()
    assert scale.methods == ("gradcam",)
    assert (scale.strategies, scale.ratios) == (("balanced", "none"), (0.1, 1.0, 5.0))


def test_a_folder_without_studies_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["study", "report", str(tmp_path)])
    assert "no study in" in str(done.exception)


def test_studies_are_defined_without_torch() -> None:
    code = "import sys, unmask.cli.runs.study; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
