"""Weights & Biases and MLflow beside a run, offline."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

for package in ("torch", "lightning", "timm", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

from toy_crops import write_toy_crops
from training.test_bundle_export import Silent
from unmask.core.errors import InputError
from unmask.training.engine import train
from unmask.training.hardware import Hardware
from unmask.training.recipe import load_recipe
from unmask.training.runs import Run

TINY = ["network.backbone=test_resnet", "network.weights=null", "network.size_px=32"]
TINY += ["batch_size=8", "epochs=2", "workers=0"]


def run(folder: Path, logger: str) -> Run:
    crops = write_toy_crops(folder / "crops.parquet")
    return train(
        load_recipe("paper-xception", TINY), [crops], [], folder / "run",
        hardware=Hardware("cpu"), watcher=Silent(), logger=logger,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_mlflow_holds_every_epoch_in_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="needs the extra `loggers`")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    finished = run(tmp_path, "mlflow")
    with sqlite3.connect(finished.folder / "mlflow.db") as database:
        steps = database.execute("select step from metrics where key = 'auc' order by step")
        assert [step for (step,) in steps] == [1, 2]
        [(width,)] = database.execute("select value from params where key like '%head_width'")
        assert width == "128"


@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="needs the extra `loggers`")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")
    finished = run(tmp_path, "wandb")
    wandb.finish()
    files = list((finished.folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 1
    assert b"training_loss" in files[0].read_bytes()


def test_a_logger_that_is_not_there_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no logger 'comet'"):
        run(tmp_path, "comet")
    monkeypatch.setattr("unmask.training.loggers.find_spec", lambda _: None)
    with pytest.raises(InputError, match="the logger wandb is not installed"):
        run(tmp_path, "wandb")
    assert not (tmp_path / "run").exists()
