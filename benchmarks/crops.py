"""How fast crops are cut and read back: `python -m benchmarks.crops`.

    cutting   crops per second of `crop_videos` with one and two workers, in turn with decoding the
              same clips and doing nothing else, in as many processes: the decode limit
    reading   random access through `CropDataset` against Pillow decoding the same bytes from memory

Ratios are taken pair by pair. The table goes to benchmarks/results/crops.md.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import Spread, run
from benchmarks.scan_speed import MIB, NOISE, RESULTS, ROOT, machine
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.crops.reading import CropDataset
from unmask.crops.rows import COLUMNS, CropRow, VideoCoverage, VideoCrops
from unmask.crops.store import CropStore, open_for_writing
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord
from unmask.system.engines import Engine

TITLE = "# Crops"
SIZE = (1280, 720)
GOAL_READING = 0.8
WORKERS = (1, 2)
READ_CROPS = 4000
SHARDS_OF_BYTES = 32 * MIB


@dataclass(frozen=True)
class Cut:
    """One round with a number of workers."""

    crops: int
    seconds: float
    decode_seconds: float

    @property
    def per_second(self) -> float:
        """Crops per second."""
        return self.crops / self.seconds

    @property
    def over_decode(self) -> float:
        """Time over that of decoding the same clips in as many processes."""
        return self.seconds / self.decode_seconds


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crops")
    add = parser.add_argument
    add("--source", type=Path, default=ROOT / "examples" / "original.mp4")
    add("--clips", type=int, default=4, help="copies of the clip that are cut")
    add("--seconds", type=float, default=20.0, help="length of a clip")
    add("--repeats", type=int, default=3)
    add("--note", default="", help="a line on the circumstances")
    add("--out", type=Path, default=RESULTS / "crops.md")
    options = parser.parse_args()
    if min(options.repeats, options.clips) < 1 or options.seconds <= 0:
        parser.error("--repeats, --clips and --seconds must be above zero")
    return options


def clips_in(folder: Path, options: argparse.Namespace) -> Manifest:
    """Write clips with a face and return their manifest."""
    first = folder / "0.mp4"
    words = ["make", options.source, first, *map(str, (*SIZE, options.seconds, NOISE))]
    run([sys.executable, "-m", "benchmarks.clips", *words])
    names = [f"{number}.mp4" for number in range(options.clips)]
    for name in names[1:]:
        (folder / name).write_bytes(first.read_bytes())
    records = tuple(VideoRecord(name, "bench", "real") for name in sorted(names))
    return Manifest(ManifestInfo("bench", str(folder), "as the source clip"), records)


def decode_all(manifest: Manifest, workers: int) -> float:
    """Decode all clips and nothing else, some at a time; return the time."""
    start = time.perf_counter()
    waiting = [str(manifest.path_of(record)) for record in manifest.records]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < workers:
            words = [sys.executable, "-m", "benchmarks.decode_only", waiting.pop()]
            running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
        if running.pop(0).wait():
            raise SystemExit("a clip could not be decoded")
    return time.perf_counter() - start


def cut_all(manifest: Manifest, folder: Path, workers: int) -> Cut:
    """Cut all clips into a new store."""
    decoded = decode_all(manifest, workers)
    start = time.perf_counter()
    summary = crop_videos(manifest, folder, CropSettings(), engine=Engine(workers=workers))
    seconds = time.perf_counter() - start
    if not summary.complete or summary.crops == 0:
        raise SystemExit(f"not every clip gave crops: {summary}")
    print(f"{workers} workers: {summary.crops} crops, {seconds:.1f} s", flush=True)
    return Cut(summary.crops, seconds, decoded)


def many_crops(source: CropStore, folder: Path) -> CropDataset:
    """Return a store with the crops of another many times over, in several shards."""
    rows = [CropRow(**row) for row in source.rows(COLUMNS.names).to_pylist()]
    copies = -(-READ_CROPS // len(rows))
    with open_for_writing(folder, source.info, shard_bytes=SHARDS_OF_BYTES) as store:
        for copy in range(copies):
            line = VideoCoverage.of(VideoRecord(f"{copy:04d}", "bench", "real"), "done")
            store.add(VideoCrops(line, tuple(rows)))
    return CropDataset(folder)


def decode(encoded: bytes) -> np.ndarray:
    """Decode a picture as `CropDataset` does."""
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


def read_rates(data: CropDataset, seed: int) -> tuple[float, float]:
    """Return crops per second of bare decoding and of random access, the same crops in turn."""
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    held = [data.encoded(position) for position in order]
    start = time.perf_counter()
    for encoded in held:
        decode(encoded)
    bare = time.perf_counter() - start
    start = time.perf_counter()
    for position in order:
        data[position]
    return len(order) / bare, len(order) / (time.perf_counter() - start)


def cutting_rows(manifest: Manifest, folder: Path, repeats: int) -> list[str]:
    """Cut with one and with two workers in turn; return the rows of the table."""
    result: dict[int, list[Cut]] = {workers: [] for workers in WORKERS}
    for number in range(repeats):
        for workers in WORKERS:
            result[workers].append(cut_all(manifest, folder / f"{number}-{workers}", workers))
    rows = []
    for workers, cuts in result.items():
        name = f"{workers} worker{'' if workers == 1 else 's'}"
        limits = [cut.crops / cut.decode_seconds for cut in cuts]
        rows += [
            f"| {name}: crops/s | {Spread.of([cut.per_second for cut in cuts])} | |",
            f"| {name}: crops/s if decoding were all (decode limit) | {Spread.of(limits)} | |",
            f"| {name}: time / decoding alone | {Spread.of([c.over_decode for c in cuts])} | |",
        ]
    one, two = (result[workers] for workers in WORKERS)
    scaling = [b.per_second / a.per_second for a, b in zip(one, two, strict=True)]
    alone = [a.decode_seconds / b.decode_seconds for a, b in zip(one, two, strict=True)]
    return [
        *rows,
        f"| scaling, 2 workers / 1 | {Spread.of(scaling)} | |",
        f"| the same of decoding alone, whose threads use both cores | {Spread.of(alone)} | |",
    ]


def reading_rows(data: CropDataset, repeats: int) -> list[str]:
    """Read all crops in random order; return the rows of the table."""
    read_rates(data, seed=0)  # warms the disk's cache
    rates = [read_rates(data, seed) for seed in range(1, repeats + 1)]
    share = Spread.of([ours / bare for bare, ours in rates])
    goal = "met" if share.median >= GOAL_READING else "NOT met"
    return [
        f"| Pillow, same bytes in memory: crops/s | {Spread.of([bare for bare, _ in rates])} | |",
        f"| CropDataset, random order: crops/s | {Spread.of([ours for _, ours in rates])} | |",
        f"| CropDataset / Pillow | {share} | >= {GOAL_READING:g}: {goal} |",
    ]


def section(lines: list[str], rows: list[str]) -> str:
    """Put the results into Markdown."""
    table = ["| what | value | goal |", "|---|---|---|", *rows]
    head = [TITLE, "", "Median (min-max). `python -m benchmarks.crops`", ""]
    return "\n".join([*head, *lines, "", *table]) + "\n"


def measure(options: argparse.Namespace, folder: Path, load: float) -> str:
    """Do all runs and return the section."""
    manifest = clips_in(folder, options)
    cutting = cutting_rows(manifest, folder, options.repeats)
    data = many_crops(CropStore(folder / "0-1"), folder / "many")
    size = np.mean([len(data.encoded(position)) for position in range(0, len(data), 50)])
    cut = (
        f"- cut: {options.clips} x {options.source.name} looped to {options.seconds:g} s, fitted "
        f"into {SIZE[0]}x{SIZE[1]}, mild noise; default settings; start of processes included"
    )
    lines = [
        *machine(load),
        cut,
        f"- read: {len(data)} JPEG crops of {size / 1024:.1f} KiB, 256x256, in one process",
        f"- {options.repeats} repeats in turn",
        *([f"- {options.note}"] if options.note else []),
    ]
    return section(lines, [*cutting, *reading_rows(data, options.repeats)])


def main() -> None:
    """Measure, print and write."""
    load = os.getloadavg()[0]
    options = arguments()
    if not options.source.is_file():
        raise SystemExit(f"no source clip {str(options.source)!r}: give one with --source")
    with tempfile.TemporaryDirectory(prefix="unmask-bench-") as folder:
        text = measure(options, Path(folder), load)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
