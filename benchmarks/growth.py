"""How a folder run grows: time, CPU time and memory over 1, 10 and 100 short clips.

    python -m benchmarks.growth [--counts 1,10,100] [--workers 1,2] [--options="--triage"]
    python -m benchmarks.growth --counts 1,10 --options="--engine ray"
    python -m benchmarks.growth --seconds 10,60,600
    python -m benchmarks.growth --memory [--files 300]

Times are of the command and all its processes; of a cluster the CPU time is not known here, as its
workers are no children of the command. Clips are copies of one, each with another harmless box at
its end, so that none is taken for another's copy. `--seconds` repeats the clip to one film of each
length. `--memory` samples the memory of a run and of all its processes as files are finished, and
compares the files around the 20th with the last ones; `--keep` is the negative control, in which
the run keeps two MiB for each file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av

from benchmarks.clips import repeat
from benchmarks.measure import environment

CLIP = Path(__file__).parents[1] / "examples" / "original.mp4"
_BOX = b"\0\0\0\x08free"
_MIB = 2**20
_EARLY = 20
_AROUND = 5
"""Files before and after, the most of which is taken: memory goes up and down within a file."""
_PROGRAM = "from unmask.cli import main; main()"
_KEEPING = (
    "from unmask.cli.runs import scan as scanning\n"
    "kept, add = [], scanning._Done.add\n"
    "scanning._Done.add = lambda *a: (kept.append([a, b'k' * 2**21]), add(*a))[1]\n" + _PROGRAM
)


def clips(folder: Path, count: int, source: Path) -> None:
    """Write copies of a clip that differ in their bytes alone."""
    content = source.read_bytes()
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:05d}{source.suffix}").write_bytes(content + _BOX * number)


def folders(root: Path, request: argparse.Namespace) -> Iterator[tuple[Path, int, float]]:
    """Yield folders of clips, with how many they are and the seconds of each."""
    with av.open(request.clip) as container:
        length = float(container.duration or 0) / av.time_base
    if request.seconds is None:
        for count in map(int, request.counts.split(",")):
            clips(root / f"{count}-clips", count, request.clip)
            yield root / f"{count}-clips", count, round(length, 1)
        return
    for seconds in map(float, request.seconds.split(",")):
        folder = root / f"{seconds:g}-seconds"
        folder.mkdir()
        times = max(1, round(seconds / length))
        repeat(request.clip, folder / f"film{request.clip.suffix}", times)
        yield folder, 1, round(times * length, 1)


def command(program: str, folder: Path, store: Path, options: list[str]) -> list[str]:
    """Return the words of a scan."""
    return [sys.executable, "-c", program, "scan", str(folder), "-o", str(store), *options]


def timed(folder: Path, store: Path, options: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of a run with all its processes."""
    began, before = time.perf_counter(), os.times()
    words = command(_PROGRAM, folder, store, options)
    subprocess.run(words, check=False, capture_output=True, env=environment())
    after = os.times()
    user = after.children_user - before.children_user
    return time.perf_counter() - began, user + after.children_system - before.children_system


def memory(folder: Path, store: Path, options: list[str], *, keep: bool) -> list[float]:
    """Return MiB of a run and its processes after each file.

    Raises:
        RuntimeError: some file was not analysed.
    """
    program = _KEEPING if keep else _PROGRAM
    words = command(program, folder, store, options)
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        samples, last = [], b""
        for line in process.stderr:
            if b" of " in line:
                samples.append(proportional(process.pid) / _MIB)
            last = line
    if f"analysed now: {len(list(folder.iterdir()))}," not in last.decode() or b"failed" in last:
        raise RuntimeError(f"not all files were analysed: {last.decode()}")
    return samples


def growth(samples: list[float]) -> tuple[float, float]:
    """Return the most MiB around the 20th file, and around the last one."""
    early = samples[_EARLY - 1 - _AROUND : _EARLY + _AROUND]
    return max(early), max(samples[-2 * _AROUND - 1 :])


def proportional(pid: int) -> int:
    """Return the bytes of a process and its children, what they share counted once (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in status.splitlines() if line[:4] == "Pss:"), 0)
    return own * 1024 + sum(proportional(int(child)) for child in children)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="1,10,100")
    parser.add_argument("--workers", default="1")
    parser.add_argument("--options", default="")
    parser.add_argument("--seconds", help="lengths of films, in place of counts of clips")
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--files", type=int, default=300)
    value = parser.parse_args()
    options = value.options.split()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if value.memory:
            clips(root / "clips", value.files, value.clip)
            samples = memory(root / "clips", root / "store", options, keep=value.keep)
            early, late = growth(samples)
            print(
                f"around file {_EARLY}: {early:.0f} MiB; around file {value.files}: "
                f"{late:.0f} MiB; most at any: {max(samples):.0f} MiB"
            )
            return
        print("| clips | seconds each | workers | wall s | CPU s | store KiB | load |")
        print("|---|---|---|---|---|---|---|")
        for folder, count, seconds in folders(root, value):
            for workers in value.workers.split(","):
                shutil.rmtree(root / "store", ignore_errors=True)
                wall, cpu = timed(folder, root / "store", [*options, "--workers", workers])
                size = sum(p.stat().st_size for p in (root / "store").rglob("*") if p.is_file())
                text = f"{wall:.1f} | {cpu:.1f} | {size / 1024:.0f} | {os.getloadavg()[0]:.0f}"
                print(f"| {count} | {seconds:g} | {workers} | {text} |", flush=True)


if __name__ == "__main__":
    main()
