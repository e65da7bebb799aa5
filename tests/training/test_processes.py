"""Runs in processes of torchrun, SLURM or Ray end as those in processes of Lightning."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

for package in ("torch", "lightning", "timm", "yaml", "tensorboard"):
    pytest.importorskip(package, reason=f"training needs {package} (extra `train`)")

from ports import free_port, ports_of_ray
from toy_crops import write_toy_crops
from training.test_resume import assert_same
from unmask.core.errors import InputError
from unmask.training.engine import Loaders
from unmask.training.processes import hardware_here
from unmask.training.runs import CHECKPOINT, read_run

SETTINGS = [
    "network.backbone=test_resnet",
    "network.weights=null",
    "network.size_px=32",
    "batch_size=4",
    "epochs=2",
    "workers=0",
    "precision=32",
]
COMMAND = "from unmask.cli import main; main()"


@pytest.mark.parametrize("epoch", [0, 1])
def test_processes_share_an_epoch_without_overlap(epoch: int) -> None:
    batches: Any = SimpleNamespace(per_epoch=5)
    validation: Any = range(7)
    taken, validated = [], []
    for rank in range(3):
        trainer = SimpleNamespace(world_size=3, global_rank=rank)
        device = SimpleNamespace(type="cpu")
        learning: Any = SimpleNamespace(trainer=trainer, batches_done=5 * epoch, device=device)
        loaders = Loaders(batches, validation, learning, workers=0)
        taken += list(loaders.train_dataloader().sampler)
        validated += list(loaders.val_dataloader().sampler)
    assert sorted(taken) == list(range(15 * epoch, 15 * epoch + 15))
    assert sorted(validated) == list(range(7))


def slurm(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    named = {"NTASKS": "6", "NTASKS_PER_NODE": "2", "PROCID": "3", "LOCALID": "1", "NODEID": "1"}
    for name, value in (named | more).items():
        monkeypatch.setenv(f"SLURM_{name}", value)


def test_what_slurm_started_is_what_a_run_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware_here("cpu", 1).launcher == "lightning"
    slurm(monkeypatch)
    hardware = hardware_here("cpu", 1)
    assert (hardware.devices, hardware.hosts, hardware.devices_per_host) == (6, 3, 2)
    with pytest.raises(InputError, match="--devices is 4, but 2 processes were started"):
        hardware_here("cpu", 4)


def test_one_task_of_slurm_is_a_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm(monkeypatch, NTASKS="1", NTASKS_PER_NODE="1", PROCID="0")
    assert hardware_here("cpu", 1).launcher == "lightning"


def words(crops: Path, folder: Path, *more: str) -> list[str]:
    named = ["train", "paper-xception", "--data", str(crops), "-o", str(folder)]
    return [*named, "--device", "cpu", *more, "--set", *SETTINGS]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"} | more


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_crops(tmp_path_factory.mktemp("crops") / "crops.parquet", families=12)


@pytest.fixture(scope="module")
def shared(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two processes that Lightning started."""
    folder = tmp_path_factory.mktemp("runs") / "shared"
    command = [sys.executable, "-c", COMMAND, *words(crops, folder, "--devices", "2")]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    return folder


@pytest.mark.system
def test_two_processes_of_torchrun_write_one_run(crops: Path, shared: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--standalone", "-m", "unmask", *words(crops, tmp_path / "run")]
    text = subprocess.run(torchrun, env=environment(), check=False, capture_output=True, text=True)
    assert text.returncode == 0, text.stderr
    assert text.stdout.count("best epoch") == 1
    assert text.stderr.count("epoch 2 ") == 1
    assert read_run(tmp_path / "run").record.finished
    assert read_run(tmp_path / "run").record.devices == 2
    assert_same(shared, tmp_path / "run")


def tasks_of_slurm(command: list[str]) -> list[subprocess.Popen[str]]:
    """Start two tasks on two hosts, as srun would."""
    named = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2"}
    named |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, *command],
            env=environment(
                **named, SLURM_PROCID=str(rank), SLURM_NODEID=str(rank), SLURM_LOCALID="0"
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def stop_after_checkpoint(folder: Path, tasks: list[subprocess.Popen[str]]) -> None:
    """Kill both tasks once a checkpoint is there."""
    while not (folder / CHECKPOINT).exists() and all(task.poll() is None for task in tasks):
        time.sleep(0.01)
    for task in tasks:
        task.kill()
        task.communicate()


@pytest.mark.system
def test_two_hosts_of_slurm_are_killed_and_end_with_the_same_run(
    crops: Path, shared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    stop_after_checkpoint(folder, tasks_of_slurm(words(crops, folder)))
    assert (folder / CHECKPOINT).exists()
    assert not read_run(folder).record.finished
    tasks = tasks_of_slurm(["train", "--resume", str(folder), "--device", "cpu"])
    said = [task.communicate(timeout=900) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert [out.count("best epoch") for out, _ in said] == [1, 0]
    assert said[1][1] == ""
    assert_same(shared, folder)


@pytest.mark.system
def test_what_is_wrong_with_a_run_of_two_hosts_is_said_once(crops: Path, tmp_path: Path) -> None:
    tasks = tasks_of_slurm([*words(crops, tmp_path / "run"), "batch_size=999"])
    said = [task.communicate(timeout=300)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [2, 2], said
    assert [text.count("an epoch has 30 crops, a step needs 1998") for text in said] == [1, 0]


@pytest.fixture(scope="module")
def on_ray() -> Iterator[list[str]]:
    """Return the options of training by two workers of a cluster."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else a token is kept in the home folder
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={**head, **ports_of_ray()})
        yield ["--engine", "ray", "--address", cluster.address, "--num-workers", "2"]
        cluster.shutdown()


def trained(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *command],
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.system
def test_two_workers_of_ray_write_one_run(
    crops: Path, shared: Path, tmp_path: Path, on_ray: list[str]
) -> None:
    folder = tmp_path / "run"
    text = trained(words(crops, folder, *on_ray))
    assert text.returncode == 0, text.stderr
    assert text.stdout.count("best epoch") == 1
    assert text.stderr.count("epoch 2 ") == 1
    assert_same(shared, folder)
    assert {path.name for path in folder.iterdir()} == {path.name for path in shared.iterdir()}


@pytest.mark.system
def test_what_is_wrong_with_a_run_is_said_as_without_ray(
    crops: Path, tmp_path: Path, on_ray: list[str]
) -> None:
    folder = tmp_path / "run"
    text = trained([*words(crops, folder, *on_ray), "batch_size=999"])
    assert text.returncode == 2
    assert text.stderr.count("an epoch has 30 crops, a step needs 1998") == 1
    assert not folder.exists()


def test_options_that_do_not_go_together_are_refused() -> None:
    from unmask.cli.runs.train import Devices
    from unmask.system.engines import Engine

    with pytest.raises(ValueError, match="--num-workers goes with --engine ray"):
        Devices("cpu", 1, Engine(workers=2))
    with pytest.raises(ValueError, match="one device for each of --num-workers"):
        Devices("cpu", 2, Engine("ray", 2))
