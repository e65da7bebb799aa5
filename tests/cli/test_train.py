"""`unmask train` as a user meets it: what is printed where, and what is said of mistakes."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unmask.cli.runs import train as runs_train

for package in ("torch", "lightning", "timm", "yaml", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

from commands import Command
from toy_crops import write_toy_crops

TINY = ["network.backbone=test_resnet", "network.weights=null", "network.size_px=32"]
TINY += ["epochs=1", "batch_size=8", "workers=0"]


def in_a_process_of_its_own(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from unmask.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_crops(tmp_path_factory.mktemp("crops") / "crops.parquet", families=12)


def test_training_prints_the_run_and_its_figures(
    unmask: Command, crops: Path, tmp_path: Path
) -> None:
    again = write_toy_crops(tmp_path / "again.parquet", families=3)
    words = ("train", "paper-xception", "--data", crops, again, "--validation", again)
    done = in_a_process_of_its_own(*words, "--set", *TINY, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "run")
    assert "best epoch 1 of 1, by validation accuracy" in done.stdout
    assert "leaky, figures are too good: 3 of 3 pieces of footage" in done.stdout
    assert done.stderr.startswith("device: 1 x ")
    assert "training: 15 real and 30 fake crops of 36 videos" in done.stderr
    assert "epoch 1  training loss" in done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["training_paths"] == [str(crops), str(again)]
    assert record["command"].startswith("unmask train paper-xception --data")
    finished = unmask("train", "--resume", tmp_path / "run")
    assert "is finished; nothing is left to train" in finished.stderr
    assert (finished.returncode, finished.stdout) == (0, done.stdout)


def test_a_run_without_a_folder_is_named_after_recipe_and_time(
    unmask: Command, crops: Path, tmp_path: Path
) -> None:
    done = unmask("train", "paper-xception", "--data", crops, "--set", *TINY)
    assert done.returncode == 0, done.stderr
    assert "carved from the training crops" in done.stderr
    (result,) = (tmp_path / "runs").iterdir()
    assert result.name.startswith("paper-xception-20")
    assert done.stdout.startswith(f"runs/{result.name}\n")


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        ([], "give a recipe, or --resume FOLDER", "--help"),
        (["paper-xception"], "no crops to learn from: give --data PATH", "--help"),
        (["paper-xception", "--resume", "x"], "and not both", "--help"),
        (["--resume", "x", "--set", "epochs=3"], "the run's own recipe", "--help"),
        (["--resume", "x", "--fold", "0"], "the run's own recipe, crops and fold", "--help"),
        (["paper-xception", "--data", "CROPS", "--fold", "0"], "give each row a fold", "k-fold"),
        (["--resume", "x"], "no training run in 'x'", "runs/NAME"),
        (["paper-x", "--data", "x"], "no recipe 'paper-x'", "paper-xception"),
        (["paper-xception", "--data", "x", "--set", "epoch=3"], "no field 'epoch'", "epochs"),
        (["paper-xception", "--data", "absent.parquet"], "no crops 'absent.parquet'", "Parquet"),
        (
            ["paper-xception", "--data", "absent.parquet", "--device", "tpu"],
            "device must be auto, cpu or cuda",
            "--help",
        ),
        (
            ["paper-xception", "--data", "CROPS", "--set", "network.backbone=resnet9"],
            "timm has no network 'resnet9'",
            "it has",
        ),
    ],
)
def test_a_mistake_ends_with_one_line_a_hint_and_code_2(
    unmask: Command, words: list[str], said: str, hint: str, crops: Path
) -> None:
    value = [str(crops) if word == "CROPS" else word for word in words]
    done = unmask("train", *value)
    error, advice = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert hint in advice
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(Path().iterdir())


def test_without_a_terminal_lines_say_how_far_a_run_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with runs_train.RunProgress() as shown:
        shown.batch(1, 9, loss=0.5)
        assert not capsys.readouterr().err  # a minute has not passed
    monkeypatch.setattr(runs_train, "_LINE_SECONDS", 0.0)
    with runs_train.RunProgress() as shown:
        shown.batch(2, 9, loss=0.25)
    assert capsys.readouterr().err.startswith("batch 2 of 9  loss 0.2500")


def test_a_stopped_run_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").touch()
    for devices, text in ((1, ""), (2, " --devices 2")):
        shown = runs_train.RunProgress()
        shown.folder, shown.devices = tmp_path, devices
        with pytest.raises(KeyboardInterrupt), shown:
            raise KeyboardInterrupt
        message = capsys.readouterr().err
        assert message == f"go on with: unmask train --resume {tmp_path}{text}\n"


@pytest.mark.parametrize(("waited", "said"), [(0.05, False), (0.4, True)])
def test_a_starved_epoch_says_so(
    waited: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    row = dict.fromkeys(runs_train._SHOWN, 0.5) | {"epoch": 1.0, "crops_per_second": 20.0}
    runs_train.RunProgress().epoch(row | {"waited_ratio": waited}, best=True)
    line = capsys.readouterr().err
    assert ("40% of the time waiting for crops (raise workers)" in line) is said
    assert line.endswith("  best\n")
