"""What a run is trained on, and in which arithmetic."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Literal

import torch

from unmask.core.errors import InputError, RecipeError
from unmask.system.memory import set_thresholds
from unmask.training.networks.scoring_network import ScoringNetwork
from unmask.training.recipe import Precision

Device = Literal["auto", "cpu", "cuda"]
_LIGHTNING_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_TIMED_CROPS = 4
_TIMED_STEPS = 3
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Hardware:
    """Devices of a run."""

    device: Device = "auto"
    """`auto` takes GPUs where there are any, else the CPU."""
    devices: int = 1
    """Devices that share each step."""

    def __post_init__(self) -> None:
        """Refuse devices that are not there."""
        if self.device not in {"auto", "cpu", "cuda"} or self.devices < 1:
            raise ValueError(f"device must be auto, cpu or cuda, devices at least 1, got {self}")
        count = torch.cuda.device_count()
        uses_gpu = self.device == "cuda" or (self.device == "auto" and count > 0)
        if uses_gpu and count < self.devices:
            raise InputError(
                f"{self.devices} GPUs were asked for, {count} are there",
                hint="train with --device cpu, or on fewer --devices",
            )

    @property
    def kind(self) -> Literal["cpu", "cuda"]:
        """The kind of device that is used."""
        if self.device == "auto":
            return "cuda" if torch.cuda.device_count() else "cpu"
        return self.device

    def __str__(self) -> str:
        """Name the devices."""
        name = torch.cuda.get_device_name() if self.kind == "cuda" else "cpu"
        return f"{self.devices} x {name}, {torch.get_num_threads()} threads"


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, for its next training step on a CPU.

    The GNU C library hands large blocks back to the system and gets them again, zeroed page by
    page: for the feature maps of one step a seventh to a third of the CPU's time goes into the
    system (docs/detector-log.md, 10). In fp32 most of it is saved, in bf16 hardly any on the whole.

    Returns:
        Whether the C library took it; others have no such setting and stay as they are.
    """
    return set_thresholds(mmap_bytes=_LARGEST, trim_bytes=_LARGEST)


def lightning_precision(precision: Precision) -> str:
    """Return Lightning's word for a resolved precision."""
    return _LIGHTNING_PRECISION[precision]


def resolve_precision(
    precision: Precision, network: ScoringNetwork, *, size_px: int, hardware: Hardware
) -> Precision:
    """Return the precision to train in: for `auto` the one that is faster here.

    On a CPU a few steps are timed in both, in turn. The result is written into the run's recipe, so
    that a resumed run does not time again.

    Raises:
        RecipeError: fp16 on a CPU.
    """
    if precision == "fp16" and hardware.kind == "cpu":
        raise RecipeError(
            "precision fp16 needs a GPU", hint="train with --set precision=bf16 or precision=32"
        )
    if precision != "auto":
        return precision
    if hardware.kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    seconds = step_seconds(network, size_px)
    return "bf16" if seconds["bf16"] < seconds["32"] else "32"


def step_seconds(network: ScoringNetwork, size_px: int) -> dict[Precision, float]:
    """Return the median time of a forward and backward pass of a few crops on the CPU.

    In fp32 and in bf16, in turn, so that both meet the same load. The network is left as it was:
    batch statistics are put back, gradients removed.
    """
    keep_freed_memory()  # as training will
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    crops = network.blank(_TIMED_CROPS, size_px)
    if network.clip is None:
        crops = crops.to(memory_format=torch.channels_last)
    times: dict[Precision, list[float]] = {"32": [], "bf16": []}
    for _ in range(_TIMED_STEPS + 1):
        for precision, seconds in times.items():
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = network(crops)
            logits.float().mean().backward()
            seconds.append(time.perf_counter() - start)
    network.zero_grad(set_to_none=True)
    for name, buffer in network.named_buffers():
        buffer.copy_(before[name])
    return {precision: statistics.median(each[1:]) for precision, each in times.items()}
