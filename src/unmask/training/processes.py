"""The processes of a run: who starts them, and how they agree before the first step.

Lightning starts one for each device of this machine; torchrun, SLURM and Ray start them on several
hosts. Those from outside each run the whole program: the first one begins the run or reads its
folder, the others are given what it has, read the crops themselves, and write nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from torch import distributed

from unmask.core.errors import InputError, UnmaskError
from unmask.training.hardware import Device, Hardware

Item = TypeVar("Item")

_AGREED = "raised in all processes of the run"
_WAIT = timedelta(minutes=10)
"""How long the processes of a run wait for each other."""


def hardware_here(device: Device, devices: int) -> Hardware:
    """Return what a run is trained on: all that torchrun or SLURM started, or devices of this host.

    Args:
        device: kind.
        devices: asked for on the command line; 1 takes what was started.

    Raises:
        InputError: another number of processes was started.
    """
    environment = _environment()
    if environment is None:
        return Hardware(device, devices)
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or 1)
    if devices not in {1, here}:
        raise InputError(
            f"--devices is {devices}, but {here} processes were started on this host",
            hint="leave --devices out: each process that torchrun or SLURM starts has one",
        )
    count = environment.world_size()
    hosts = max(1, count // here)
    return Hardware(device, count, launcher="cluster", hosts=hosts)


def hardware_on_ray(device: Device, workers: int) -> Hardware:
    """Return what a run is trained on by workers of a Ray cluster, each with one device."""
    return Hardware(device, workers, launcher="ray", hosts=workers)


def trainer_options(hardware: Hardware) -> dict[str, Any]:
    """Return what Lightning's trainer is to know of the processes."""
    if hardware.launcher == "ray":
        from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

        return {
            "devices": 1,
            "strategy": RayDDPStrategy(),
            "plugins": [RayLightningEnvironment()],
        }
    if hardware.launcher == "cluster":
        return {
            "devices": hardware.devices_per_host,
            "num_nodes": hardware.hosts,
            "strategy": "ddp",
            "plugins": [_environment()],
        }
    return {
        "devices": hardware.devices,
        "strategy": "ddp_spawn" if hardware.devices > 1 else "auto",
    }


@contextmanager
def connected(hardware: Hardware) -> Iterator[None]:
    """Connect the processes that torchrun or SLURM started; Ray has connected its own.

    Raises:
        InputError: they did not find each other.
    """
    environment = _environment() if hardware.launcher == "cluster" else None
    if environment is None:
        yield
        return
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    try:
        distributed.init_process_group(
            backend_for(hardware),
            rank=environment.global_rank(),
            world_size=environment.world_size(),
            timeout=_WAIT,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"the {environment.world_size()} processes of the run did not find each other: "
            f"{str(error).splitlines()[0]}",
            hint="start them with torchrun or srun, and let each host reach "
            f"{environment.main_address}:{environment.main_port}",
        ) from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


def backend_for(hardware: Hardware) -> str:
    """Return by what the processes talk to each other; plain values go over the CPU."""
    return "cpu:gloo,cuda:nccl" if hardware.kind == "cuda" else "gloo"


def is_first() -> bool:
    """Tell whether this process writes the run's folder and shows how far it is."""
    if distributed.is_initialized():
        return distributed.get_rank() == 0
    environment = _environment()
    return environment is None or environment.global_rank() == 0


def agree(
    begin: Callable[[], Item], facts: Callable[[Item], Any], follow: Callable[..., Item]
) -> Item:
    """Begin something in the first process, and let the others follow.

    Args:
        begin: called in the first process alone.
        facts: what the others are given of it, as arguments of `follow`.
        follow: called in the others.

    Raises:
        UnmaskError: it failed in one of them; raised in all.
    """
    own = _outcome(begin) if is_first() else None
    given: list[Any] = [own if own is None or isinstance(own, UnmaskError) else facts(own)]
    distributed.broadcast_object_list(given, src=0)
    if isinstance(given[0], UnmaskError):
        raise _noted(given[0])
    result = _outcome(lambda: follow(*given[0])) if own is None else own
    errors: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(errors, result if isinstance(result, UnmaskError) else None)
    for error in [*errors, result]:
        if isinstance(error, UnmaskError):
            raise _noted(error)
    return cast("Item", result)


def is_said_elsewhere(error: UnmaskError) -> bool:
    """Tell whether an error was raised in all processes, and another one prints it."""
    return _AGREED in getattr(error, "__notes__", ()) and not is_first()


def _noted(error: UnmaskError) -> UnmaskError:
    error.add_note(_AGREED)
    return error


def _outcome(make: Callable[[], Item]) -> Item | UnmaskError:
    try:
        return make()
    except UnmaskError as error:
        return error


def _environment() -> ClusterEnvironment | None:
    """Return who started this process as one of several."""
    environment: ClusterEnvironment | None = None
    if TorchElasticEnvironment.detect():
        environment = TorchElasticEnvironment()
    elif "SLURM_NTASKS" in os.environ and SLURMEnvironment.detect():
        environment = SLURMEnvironment(auto_requeue=False)
    return environment if environment is not None and environment.world_size() > 1 else None
