"""Training on a Ray cluster: the same run, its processes started by Ray Train on any of its hosts.

Each worker trains as a process of torchrun does (see `processes`). The first writes the run's
folder, which lies where all hosts have it; what it shows goes through an actor to the command that
waits here.
"""

from __future__ import annotations

import os
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from unmask.core.errors import TrainingStopped, UnmaskError
from unmask.system.engines import Engine
from unmask.system.ray_actors import Board, cluster
from unmask.training.checkpoints import Watcher
from unmask.training.hardware import Device, Hardware
from unmask.training.learning_curves import Row
from unmask.training.processes import hardware_on_ray
from unmask.training.runs import Run, RunRecord, read_run

_OWN_FILES = ".ray"
"""Folder in that of the run where Ray Train keeps its own, removed at the end."""
_NEWS_SECONDS = 0.5
_SETTINGS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}
"""What Ray Train reads when it is loaded: workers stay where they are, and may be slow to start."""


class Training(Protocol):
    """A run to begin or to go on with; can be pickled."""

    def __call__(self, *, hardware: Hardware, watcher: Watcher) -> Run:
        """Train in this process, as one of several."""
        ...


def train_on_ray(
    training: Training, folder: Path, *, device: Device, engine: Engine, watcher: Watcher
) -> Run:
    """Train with a worker for each of an engine's workers, and return the finished run.

    Args:
        training: the run; its paths are absolute.
        folder: of the run, absolute, on a disk that every host has.
        device: what each worker has one of.
        engine: workers, and the cluster.
        watcher: shown how far it is.

    Raises:
        UnmaskError: whatever the run raises.
        TrainingStopped: a worker was lost.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with cluster(engine.address):
            import ray

            board = ray.remote(num_cpus=0)(Board).remote()
            kind = _kind(device, engine)
            hardware = hardware_on_ray(kind, engine.workers)
            trainer = _trainer(training, folder, hardware, engine, board)
            _wait(trainer.fit, board, watcher)
    finally:
        shutil.rmtree(folder / _OWN_FILES, ignore_errors=True)
        with suppress(OSError):  # only where the run did not begin
            folder.rmdir()
    return read_run(folder)


def _kind(device: Device, engine: Engine) -> Device:
    """Return what workers have one of: for `auto` GPUs, where the cluster has enough."""
    import ray

    if device != "auto":
        return device
    return "cuda" if ray.cluster_resources().get("GPU", 0) >= engine.workers else "cpu"


def _trainer(
    training: Training, folder: Path, hardware: Hardware, engine: Engine, board: Any
) -> Any:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    on_gpu = hardware.device == "cuda"
    resources = {"CPU": engine.cpus_per_worker} | ({"GPU": 1} if on_gpu else {})
    return TorchTrainer(
        _train_here,
        train_loop_config={"training": training, "hardware": hardware, "board": board},
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=engine.workers, use_gpu=on_gpu, resources_per_worker=resources
        ),
        run_config=RunConfig(name=_OWN_FILES, storage_path=str(folder)),
    )


def _train_here(config: dict[str, Any]) -> None:
    """Train in a worker of Ray Train."""
    import ray

    board = config["board"]
    try:
        config["training"](hardware=config["hardware"], watcher=_Shown(board))
    except UnmaskError as error:
        ray.get(board.say.remote(_pickled("failed", error)))
        raise


class _Shown:
    """A watcher in a worker: hands all that it is shown to the board."""

    def __init__(self, board: Any) -> None:
        self._board = board

    def begins(self, record: RunRecord) -> None:
        """Hand it on."""
        self._say("begins", record)

    def batch(self, done: int, total: int, *, loss: float) -> None:
        """Hand it on."""
        self._say("batch", done, total, loss=loss)

    def epoch(self, row: Row, *, best: bool) -> None:
        """Hand it on."""
        self._say("epoch", row, best=best)

    def _say(self, name: str, *arguments: Any, **named: Any) -> None:
        self._board.say.remote(_pickled(name, *arguments, **named))


def _pickled(name: str, *arguments: Any, **named: Any) -> bytes:
    return pickle.dumps((name, arguments, named))


def _wait(fit: Callable[[], Any], board: Any, watcher: Watcher) -> None:
    """Wait for a trainer's end, and show meanwhile what its first worker says.

    The trainer runs in a thread of its own, so that an interruption ends the wait at once; its
    workers end with the cluster's connection.
    """
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            fit()
        except BaseException as error:  # noqa: BLE001 - raised again below
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    failures: list[UnmaskError] = []
    while not ended:
        thread.join(_NEWS_SECONDS)
        failures += _show(board, watcher)
    failures += _show(board, watcher)
    if failures:
        raise failures[0]
    if (error := ended[0]) is not None:
        raise TrainingStopped(
            f"a worker of the Ray cluster failed: {str(error).strip().splitlines()[-1]}",
            hint="go on with --resume; `ray status` tells whether the cluster has room, and every "
            "host needs this program and the run's folder under the same path",
        ) from error


def _show(board: Any, watcher: Watcher) -> Iterator[UnmaskError]:
    """Show what is new; yield what failed."""
    import ray

    for said in ray.get(board.news.remote()):
        name, arguments, named = pickle.loads(said)  # noqa: S301 - this program's own actor
        if name == "failed":
            yield arguments[0]
        else:
            getattr(watcher, name)(*arguments, **named)
