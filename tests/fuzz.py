"""A fuzzer: clips of every kind are damaged by script, read in the real workers, and compared.

    python tests/fuzz.py --files 7000 --results out/fuzz.ndjson

What is done to each file follows from its number, so that a run can be broken off and goes on where
it was; `--keep NUMBER FILE` makes a single one. The undamaged clips are kept beside the results,
since some encoders write a few bytes differently each time. What is asked of each:

    crash        the worker ended, or an error came that is none of the program's own
    over limit   it took longer or more memory than allowed
    refused      the program said why it cannot be read
    told         something is said to be missing or damaged
    same         every picture is that of the undamaged clip
    silent       pictures differ, and nothing is said
    fewer        frames are missing, and nothing is said: the goal is none
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from clips import picture, write_clip
from unmask.core.errors import UnmaskError
from unmask.core.settings import Limits
from unmask.system.workers import Crashed, run_all
from unmask.video import LumaPass, probe

LIMITS = Limits(max_pixels=4_000_000, max_seconds=600)
MEMORY_BYTES = 3 * 2**30
TIMEOUT_SECONDS = 20.0
SIZE = (96, 64)
QUIET_265 = {"x265-params": "log-level=none:pools=1:frame-threads=1"}
FAST_VPX = {"cpu-used": "8", "deadline": "realtime"}

SEEDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264-fast.mp4": {"container_options": {"movflags": "faststart"}},
    "h264-fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "h264.mov": {"rotation_ccw": 90},
    "h264.mkv": {},
    "h264.flv": {},
    "h264.ts": {},
    "h264.avi": {"options": {"bf": "0", "x264-params": "log-level=none"}},
    "h264-audio.mp4": {"audio_seconds": 1.0},
    "hevc.mp4": {"codec": "libx265", "options": QUIET_265},
    "hevc.mkv": {"codec": "libx265", "options": QUIET_265},
    "hevc.ts": {"codec": "libx265", "options": QUIET_265},
    "vp8.webm": {"codec": "libvpx", "options": FAST_VPX},
    "vp9.webm": {"codec": "libvpx-vp9", "options": FAST_VPX},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "mpeg1.mpg": {"codec": "mpeg1video"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "flv1.flv": {"codec": "flv"},
    "wmv2.wmv": {"codec": "wmv2"},
    "ffv1.mkv": {"codec": "ffv1", "frames": 12},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "animation.png": {},
    "still.jpg": {},
    "still.png": {},
}
_QUIET = {"h264": {"x264-params": "log-level=none"}}
MUTATIONS = ("one bit", "eight bits", "cut off", "zeros", "header", "sizes")


@dataclass(frozen=True)
class Reading:
    """What came of reading one file."""

    outcome: str
    """`read`, `refused` or `crash`."""
    complete: bool
    """Whether nothing was said to be missing."""
    frames: int
    """Frames decoded."""
    pictures: tuple[str, ...]
    """Hashes of the pictures that were looked at."""
    said: str
    """What was said."""


def write_seed(name: str, folder: Path) -> Path:
    """Write one of the undamaged clips."""
    path = folder / name
    if name.startswith("still"):
        Image.fromarray(picture(5, SIZE)).save(path, quality=90)
    elif name == "animation.png":
        first, *others = (Image.fromarray(picture(number, SIZE)) for number in range(8))
        first.save(path, save_all=True, append_images=others, duration=40)
    else:
        how = {"frames": 24, "gop": 10, "size": SIZE, **SEEDS[name]}
        # the same bytes each time: one thread, and no random numbers in the container
        how["options"] = {
            "threads": "1",
            **_QUIET.get(name.partition(".")[0], {}),
            **how.get("options", {}),
        }
        how["container_options"] = {"fflags": "+bitexact", **how.get("container_options", {})}
        write_clip(path, **how)
    return path


@functools.cache
def seed_bytes(folder: str, name: str) -> bytes:
    """Return the bytes of an undamaged clip."""
    return Path(folder, name).read_bytes()


def mutated(number: int, folder: str) -> tuple[str, str, bytes]:
    """Return the clip, the kind of damage and the bytes of a file, by its number alone."""
    draw = random.Random(number)  # noqa: S311 - chooses damage
    names = list(SEEDS)
    name, kind = names[number % len(names)], MUTATIONS[number // len(names) % len(MUTATIONS)]
    data = bytearray(seed_bytes(folder, name))
    if kind in ("one bit", "eight bits"):
        for _ in range(1 if kind == "one bit" else 8):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "cut off":
        del data[draw.randrange(16, len(data)) :]
    elif kind == "zeros":
        start = draw.randrange(len(data))
        length = min(draw.choice((16, 64, 256, 512)), len(data) - start)
        data[start : start + length] = bytes(length)
    elif kind == "header":
        other = seed_bytes(folder, draw.choice(names))
        start, length = draw.randrange(64), draw.randrange(4, 64)
        data[start : start + length] = other[start : start + length]
    else:
        places = [p for p in range(4, len(data) - 4) if data[p : p + 4].isalpha()] or [4]
        place = draw.choice(places) - 4
        size = draw.choice((0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF, draw.randrange(1 << 16)))
        data[place : place + 4] = size.to_bytes(4, "big")
    return name, kind, bytes(data)


def limit_memory() -> str:
    """Prepare a worker: more memory than this is a failure."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    return ""


def read(_: str, path: str) -> Reading:
    """Read a file as a scan does, in a worker."""
    try:
        info = probe(path, limits=LIMITS)
        run = LumaPass(info, sample_fps=100, long_side_px=64, limits=LIMITS)
        lumas = (frame.luma.tobytes() for frame in run)
        pictures = tuple(hashlib.md5(each, usedforsecurity=False).hexdigest() for each in lumas)
    except UnmaskError as error:
        return Reading("refused", False, 0, (), str(error))
    except Exception as error:  # noqa: BLE001 - whatever else comes is what is looked for
        return Reading("crash", False, 0, (), f"{type(error).__name__}: {error}")
    return Reading(
        "read", not run.not_analysed, run.frames_decoded, pictures, "; ".join(run.not_analysed)
    )


def verdict(reading: Reading | Crashed, clean: Reading) -> str:
    """Return how a damaged file came out, against the undamaged one."""
    if isinstance(reading, Crashed):
        return "over limit" if reading.after_seconds or reading.killed else "crash"
    if reading.outcome != "read":
        limit = "MemoryError" in reading.said
        return "over limit" if limit else reading.outcome
    if not reading.complete:
        return "told"
    if reading.pictures == clean.pictures:
        return "same"
    return "fewer" if reading.frames < clean.frames else "silent"


def write_seeds(folder: Path) -> None:
    """Write the undamaged clips that a folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SEEDS:
        if not (folder / name).exists():
            write_seed(name, folder)


def run(numbers: list[int], *, seeds: Path, workers: int = 1) -> Iterator[dict[str, Any]]:
    """Damage, read and compare files; yield a line each as they come."""
    write_seeds(seeds)
    clean = {name: read("", str(seeds / name)) for name in SEEDS}
    loud = {name: r.said for name, r in clean.items() if not r.complete or r.said}
    assert not loud, loud
    with tempfile.TemporaryDirectory() as folder:
        paths, what = [], []
        for number in numbers:
            name, kind, data = mutated(number, str(seeds))
            path = Path(folder, f"{number}-{name}")
            path.write_bytes(data)
            paths.append(str(path))
            what.append((number, name, kind))
        results = run_all(
            paths, limit_memory, read, workers=workers, timeout_seconds=TIMEOUT_SECONDS
        )
        for place, reading in results:
            number, name, kind = what[place]
            text = str(reading) if isinstance(reading, Crashed) else reading.said
            frames = 0 if isinstance(reading, Crashed) else reading.frames
            Path(paths[place]).unlink()
            yield {
                "number": number,
                "seed": name,
                "kind": kind,
                "verdict": verdict(reading, clean[name]),
                "frames": frames,
                "said": text[:300],
            }


VERDICTS = ("crash", "over limit", "refused", "told", "same", "silent", "fewer")


def table(lines: list[dict[str, Any]], column: str) -> str:
    """Return the counts as a Markdown table with a row for each value of a column."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        counts[line[column]][line["verdict"]] += 1
        counts["all"][line["verdict"]] += 1
    head = f"| {column} | files | {' | '.join(VERDICTS)} |\n|---|{'---:|' * (len(VERDICTS) + 1)}\n"
    rows = [name for name in counts if name != "all"] + ["all"]
    return head + "".join(
        f"| {name} | {counts[name].total()} | "
        + " | ".join(str(counts[name][v]) for v in VERDICTS)
        + " |\n"
        for name in rows
    )


def main() -> int:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=7000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after")
    parser.add_argument("--results", type=Path, default=Path("out/fuzz.ndjson"))
    parser.add_argument("--keep", nargs=2, metavar=("NUMBER", "FILE"))
    request = parser.parse_args()
    seeds = request.results.with_suffix(".seeds")
    if request.keep:
        write_seeds(seeds)
        Path(request.keep[1]).write_bytes(mutated(int(request.keep[0]), str(seeds))[2])
        return 0
    request.results.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    if request.results.exists():
        lines = [json.loads(line) for line in request.results.read_text().splitlines()]
    done, end = {line["number"] for line in lines}, time.monotonic() + request.seconds
    waiting = [number for number in range(request.files) if number not in done]
    with request.results.open("a") as file:
        for start in range(0, len(waiting), 300):
            for line in run(waiting[start : start + 300], seeds=seeds, workers=request.workers):
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                file.flush()
            if time.monotonic() > end:
                break
    sys.stdout.write(f"{table(lines, 'kind')}\n{table(lines, 'seed')}")
    return int(any(line["verdict"] in ("crash", "over limit", "fewer") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
