"""A run that is killed goes on to the weights of one that never stopped, bit for bit."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

for package in ("torch", "lightning", "timm", "yaml", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

import torch

from toy_crops import write_toy_crops
from unmask.system.files import file_sha256
from unmask.training.checkpoints import read_checkpoint
from unmask.training.runs import read_run

SETTINGS = [
    "network.backbone=test_resnet",
    "network.weights=null",
    "network.size_px=48",
    "batch_size=8",
    "accumulate=2",
    "epochs=3",
    "workers=1",
    "checkpoint_steps=2",
    "precision=32",
    "early_stopping_epochs=null",
    "schedule.name=plateau",
    "schedule.patience_epochs=1",
    "seed=5",
]


def unmask(*words: str | Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        "from unmask.cli import main; main()",
        "train",
        *map(str, words),
    ]
    threads = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=threads, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors


def begin(recipe: str, crops: Path, folder: Path) -> subprocess.Popen[str]:
    return unmask(recipe, "--data", crops, "--set", *SETTINGS, "-o", folder)


def kill_in_the_middle_of_an_epoch(process: subprocess.Popen[str], folder: Path) -> None:
    """Kill -9 once there is a checkpoint from between two batches of a later epoch."""
    checkpoint = folder / "checkpoint.ckpt"
    until = time.monotonic() + 900
    while time.monotonic() < until and process.poll() is None:
        if checkpoint.exists():
            progress = read_checkpoint(checkpoint)["progress"]
            if progress["rows"] and progress["crops"]:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()
                return
        time.sleep(0.005)
    process.kill()
    raise AssertionError(f"no checkpoint in the middle of an epoch: {process.communicate()[1]}")


@pytest.mark.system
def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    """With all that could remember: averaged weights, plateau, accumulation, augmentation."""
    crops = write_toy_crops(tmp_path / "crops.parquet", families=60)
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    process = begin("modern-xception", crops, killed)
    kill_in_the_middle_of_an_epoch(process, killed)
    assert not read_run(killed).record.finished
    finish(unmask("--resume", killed))
    finish(begin("modern-xception", crops, unbroken))
    assert_same(unbroken, killed)


def assert_same(one: Path, other: Path) -> None:
    states = [read_checkpoint(folder / "checkpoint.ckpt")["learning"] for folder in (one, other)]
    for name, tensor in states[0]["network"].items():
        assert torch.equal(tensor, states[1]["network"][name]), name
    assert file_sha256(one / "best.safetensors") == file_sha256(other / "best.safetensors")
    assert logged(one) == logged(other)


def logged(folder: Path) -> list[dict[str, str]]:
    """Return the log without the columns of time."""
    timed = {"seconds", "crops_per_second", "waited_ratio"}
    with (folder / "log.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in timed} for row in csv.DictReader(file)]
