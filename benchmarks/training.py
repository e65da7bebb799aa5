"""Speed of training and scoring: `python -m benchmarks.training [BACKBONE ...] [--size PX ...]`.

In one run, in turn, so that all meet the same load: forward and training in PyTorch as it comes
(eager, fp32), with channels last, with bf16, and as `unmask train` does on a CPU (channels last,
quick gradients of depthwise convolutions, freed memory kept) in both; ONNX Runtime forward; a plain
loop over timm's own network and loss, as its users write it; and crops per second that the loader
makes from a Parquet file. Each cell is images per second, median (least-greatest) over the rounds.
Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from benchmarks.measure import Spread
from unmask.system.telemetry import onnxruntime
from unmask.training.batches import TrainingBatches
from unmask.training.crop_table import read_crops
from unmask.training.hardware import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory
from unmask.training.lightning_module import Edge
from unmask.training.networks.depthwise import quicken
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.timm_models import PAPER_BACKBONES
from unmask.training.recipe import Recipe
from unmask.training.sampling import shuffle

Step = Callable[[], object]
GOAL_TRAINING, GOAL_SCORING = 1.6, 1.4


@dataclass(frozen=True)
class Way:
    """One way to run the network."""

    name: str
    """As in the table."""
    channels_last: bool
    """Memory format."""
    bf16: bool
    """Whether under autocast."""
    ours: bool = False
    """Whether with quick gradients and kept memory, as `unmask train` on a CPU."""


WAYS = (
    Way("eager fp32", channels_last=False, bf16=False),
    Way("channels last", channels_last=True, bf16=False),
    Way("channels last, bf16", channels_last=True, bf16=True),
)
OURS = (
    Way("unmask train, fp32", channels_last=True, bf16=False, ours=True),
    Way("unmask train, bf16", channels_last=True, bf16=True, ours=True),
)
TRAINING_WAYS = (*WAYS, *OURS)


def usual_memory() -> None:
    """Have the GNU C library hand blocks back as it does by itself after a few steps.

    It raises its thresholds as blocks are freed, to 32 MiB and twice that at most.
    """
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_MMAP_THRESHOLD, 1 << 25)
    mallopt(M_TRIM_THRESHOLD, 1 << 26)


def images(batch: int, size_px: int, way: Way) -> torch.Tensor:
    """Return random normalised images in the way's memory format."""
    pixels = torch.randn(batch, 3, size_px, size_px)
    return pixels.to(memory_format=torch.channels_last) if way.channels_last else pixels


def forward(network: torch.nn.Module, x: torch.Tensor, way: Way) -> Step:
    """Return a step that scores a batch."""

    def step() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=way.bf16):
            network(x)

    return step


def training(network: torch.nn.Module, x: torch.Tensor, way: Way) -> Step:
    """Return a step that learns from a batch, with Adam as the paper's recipes."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    labels = (torch.arange(len(x)) % 2).float()

    def step() -> None:
        if way.ours:
            keep_freed_memory()
        else:
            usual_memory()
        with torch.autocast("cpu", torch.bfloat16, enabled=way.bf16):
            logits = network(x)
        loss = binary_cross_entropy_with_logits(logits.float().flatten(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    return step


def with_onnxruntime(network: torch.nn.Module, x: torch.Tensor, folder: Path) -> Step:
    """Export the network's logit and return a step that scores a batch with ONNX Runtime."""
    path = folder / "model.onnx"
    torch.onnx.export(network.eval(), (x,), path, dynamo=True, verbose=False, external_data=False)
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, feed)


def rate(step: Step, count: int, *, seconds: float) -> float:
    """Return images per second over at least one step and the given time."""
    start, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - start < seconds:
        step()
        steps += 1
    return count * steps / (time.perf_counter() - start)


def measured(
    steps: dict[str, Step], count: int, *, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Take the steps in turn, `rounds` times, after one that is not counted."""
    for step in steps.values():
        step()
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            rates[name].append(rate(step, count, seconds=seconds))
    return rates


def network_rates(
    backbone: str, size_px: int, options: argparse.Namespace
) -> dict[str, dict[str, list[float]]]:
    """Return images per second of a network: forward and training, by way."""
    batch = options.batch
    values: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scorers = {}
        for way in WAYS:
            network = FaceNetwork(backbone).eval()
            if way.channels_last:
                network = network.to(memory_format=torch.channels_last)
            scorers[way.name] = forward(network, images(batch, size_px, way), way)
        plain = images(batch, size_px, WAYS[0])
        scorers["ONNX Runtime"] = with_onnxruntime(FaceNetwork(backbone), plain, Path(folder))
        values["scoring"] = measured(scorers, batch, rounds=options.rounds, seconds=options.seconds)
    learners = {}
    for way in TRAINING_WAYS:
        network = FaceNetwork(backbone)
        if way.ours:
            quicken(network)
        if way.channels_last:
            network = network.to(memory_format=torch.channels_last)
        learners[way.name] = training(network, images(batch, size_px, way), way)
    loop = timm.create_model(backbone, num_classes=1)
    learners["plain timm loop"] = training(loop, plain, WAYS[0])
    values["training"] = measured(learners, batch, rounds=options.rounds, seconds=options.seconds)
    return values


@contextmanager
def crop_file(given: Path | None) -> Iterator[Path]:
    """Hand out the given file of crops, or a made one of noise."""
    if given is not None:
        yield given
        return
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number in range(200):
            blotches = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
            buffer = io.BytesIO()
            blotches.resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
            label = "fake" if number % 2 else "real"
            rows.append({"name": str(number), "label": label, "image": buffer.getvalue()})
        path = Path(folder, "crops.parquet")
        pq.write_table(pa.Table.from_pylist(rows), path)
        yield path


def loader_rates(path: Path, size_px: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return crops per second of the loader, without and with augmentation, in one process."""
    crops = read_crops([path])
    steps: dict[str, Step] = {}
    for name, augmentation in (
        ("as they are", {"name": "none"}),
        ("augmented, 30 % self-blended", {"name": "standard", "self_blended_ratio": 0.3}),
    ):
        recipe = Recipe.model_validate(
            {"network": {"size_px": size_px}, "augmentation": augmentation, "batch_size": 16}
        )
        batches = TrainingBatches(crops, shuffle, recipe)
        loader = iter(DataLoader(batches, batch_size=None, shuffle=True, num_workers=0))
        steps[name] = lambda loader=loader: next(loader)
    return measured(steps, 16, rounds=options.rounds, seconds=options.seconds)


def edge_rate(size_px: int, options: argparse.Namespace) -> list[float]:
    """Return images per second of the step from bytes to the network's input."""
    from unmask.bundle.manifest import Preprocessing

    edge = Edge(
        Preprocessing(size_px=size_px, margin_ratio=1.3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    )
    pixels = torch.zeros(options.batch, size_px, size_px, 3, dtype=torch.uint8)
    steps: dict[str, Step] = {"edge": lambda: edge(pixels)}
    return measured(steps, options.batch, rounds=options.rounds, seconds=options.seconds)["edge"]


def ratios(rates: dict[str, list[float]], name: str, base: str) -> Spread:
    """Return one way's speed over another's, round by round."""
    return Spread.of([a / b for a, b in zip(rates[name], rates[base], strict=True)])


def print_network(backbone: str, size_px: int, result: dict[str, dict[str, list[float]]]) -> None:
    """Print a network's rows, and whether the goals are met."""
    for kind, rates in result.items():
        for name, values in rates.items():
            over = ratios(rates, name, "eager fp32")
            print(f"| {backbone} | {size_px} | {kind}: {name} | {Spread.of(values)} | {over} |")
    scoring = ratios(result["scoring"], "ONNX Runtime", "eager fp32").median
    learning = {
        way.name: ratios(result["training"], way.name, "plain timm loop").median for way in OURS
    }
    for kind, reached, goal in (
        *((f"{name}, over the plain loop", it, GOAL_TRAINING) for name, it in learning.items()),
        ("scoring over eager", scoring, GOAL_SCORING),
    ):
        verdict = "met" if reached >= goal else "NOT met"
        print(f"| {backbone} | {size_px} | {kind} | {reached:.2f} | goal {goal}: {verdict} |")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", default=list(PAPER_BACKBONES))
    parser.add_argument("--size", type=int, nargs="+", default=[224, 299])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="least time of a measurement")
    parser.add_argument("--crops", type=Path, help="Parquet file of crops for the loader")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    names = ("torch", "timm", "onnxruntime")
    print(
        f"- {platform.platform()}, {torch.get_num_threads()} threads, load {load:.1f} at the start"
    )
    print(f"- {', '.join(f'{name} {version(name)}' for name in names)}; batch {options.batch}")
    print("\n| network | px | what | images/s | over eager fp32 |\n|---|---|---|---|---|")
    for size_px in options.size:
        for backbone in options.backbones:
            print_network(backbone, size_px, network_rates(backbone, size_px, options))
        with crop_file(options.crops) as path:
            for name, values in loader_rates(path, size_px, options).items():
                print(f"| loader, 1 process | {size_px} | {name} | {Spread.of(values)} | |")
        print(f"| edge | {size_px} | normalise | {Spread.of(edge_rate(size_px, options))} | |")


if __name__ == "__main__":
    main()
