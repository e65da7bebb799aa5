"""How long a scan takes, and how much memory: `make bench`, or `python -m benchmarks.scan_speed`.

For a 720p and a 1080p clip, each as a whole process, in turn a b c a b c ...:

    a  PyAV decodes every frame, nothing else
    b  unmask scan CLIP --report --json
    c  the usual way (see `benchmarks.usual_way`), where its packages are installed

Ratios are taken pair by pair. The table goes to benchmarks/results/scan-speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Run, Spread, run

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
SCANNED = (0, 1, 3)
GOAL_SCAN_PER_DECODE = 2.0
NOISE = 6
HELP_RUNS = 5
LONG_TIMES = 10
WARM_UP_SECONDS = 2.0
MIB = 2**20


@dataclass(frozen=True)
class Setup:
    """What the runs are made with."""

    options: argparse.Namespace
    folder: Path
    why_no_usual: str | None


@dataclass(frozen=True)
class Round:
    """The three ways, one after the other."""

    decode: Run
    scan: Run
    usual: Run | None


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_speed")
    add = parser.add_argument
    add("--source", type=Path, help="a video that is looped (default: examples/original.mp4)")
    add("--usual-python", default=sys.executable, help="interpreter with torch, for the usual way")
    add("--detector", type=Path, help="folder of a detector bundle (default: the shipped one)")
    add("--repeats", type=int, default=3)
    add("--seconds", type=float, default=60.0, help="length of the clips")
    add("--long", action="store_true", help="also scan a clip ten times as long, for its memory")
    add("--install", action="store_true", help="also install into a fresh environment")
    add("--out", type=Path, default=RESULTS / "scan-speed.md")
    options = parser.parse_args()
    if options.repeats < 1 or options.seconds <= 0:
        parser.error("--repeats and --seconds must be above zero")
    return options


def source_of(options: argparse.Namespace) -> tuple[Path, int]:
    """Return the source clip and the strength of the noise added to it."""
    if options.source:
        return options.source, 0
    return ROOT / "examples" / "original.mp4", NOISE


def clip(setup: Setup, size: str, seconds: float) -> Path:
    """Make a clip of a size."""
    source, noise = source_of(setup.options)
    out = setup.folder / f"{size}-{seconds:g}s.mp4"
    print(f"making {out.name} ...", flush=True)
    width, height = SIZES[size]
    module = [sys.executable, "-m", "benchmarks.clips", "make", source, out]
    run([*module, str(width), str(height), str(seconds), str(noise)])
    return out


def unmask() -> Path:
    """Return the installed command next to this interpreter."""
    return Path(sys.executable).parent / "unmask"


def decode(path: Path) -> Run:
    """Decode a clip alone."""
    return run([sys.executable, "-m", "benchmarks.decode_only", path])


def scan(setup: Setup, path: Path) -> Run:
    """Scan a clip; the returned output is its JSON."""
    result = setup.folder / "result.json"
    result.unlink(missing_ok=True)
    detector = setup.options.detector
    chosen = ["--detector", detector] if detector else []
    outputs = ["--report", setup.folder / "report.html", "--json", result]
    done = run([unmask(), "scan", path, *outputs, *chosen], accepted=SCANNED)
    document = json.loads(result.read_text(encoding="utf-8"))
    if document["failures"] or len(document["results"]) != 1:
        raise SystemExit(f"the scan failed: {document['failures']}")
    return Run(done.seconds, done.peak_bytes, json.dumps(document["results"][0]["coverage"]))


def usual(setup: Setup, path: Path) -> Run | None:
    """Score a clip the usual way, if that can be done here."""
    if setup.why_no_usual:
        return None
    return run([setup.options.usual_python, ROOT / "benchmarks" / "usual_way.py", path])


def why_no_usual(python: str) -> str | None:
    """Say why the usual way cannot be run; None if it can."""
    code = "import cv2, torch, facenet_pytorch"
    try:
        tried = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if tried.returncode == 0:
        return None
    return (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]


def rounds(setup: Setup, path: Path, repeats: int) -> list[Round]:
    """Run a, b, c in turn."""
    found = []
    for number in range(1, repeats + 1):
        each = Round(decode(path), scan(setup, path), usual(setup, path))
        third = f" {each.usual.seconds:.2f}" if each.usual else ""
        times = f"{each.decode.seconds:.2f} {each.scan.seconds:.2f}{third} s"
        print(f"{path.name} {number}/{repeats}: {times}", flush=True)
        found.append(each)
    return found


def check(done: list[Round]) -> str:
    """Say what the ways did; refuse if the scan decoded other frames than decoding alone."""
    first = done[0]
    frames, coverage = int(first.decode.output), json.loads(first.scan.output)
    if coverage["frames_decoded"] != frames:
        raise SystemExit(f"scan decoded {coverage['frames_decoded']} frames of {frames}")
    said = (
        f"{frames} frames, {coverage['frames_sampled']} sampled; scan: {coverage['tracks_found']} "
        f"faces found, {coverage['tracks_judged']} judged"
    )
    if first.usual:
        read, scored = first.usual.output.split()[-2:]
        said += f"; usual way: {read} frames read, {scored} faces scored"
    return said


def speed_rows(size: str, done: list[Round]) -> list[str]:
    """Return the table rows of a size."""
    pairs = [r.scan.seconds / r.decode.seconds for r in done]
    ratio = Spread.of(pairs)
    goal = "met" if ratio.median <= GOAL_SCAN_PER_DECODE else "NOT met"
    rows = [
        f"| {size} | a: PyAV decode alone, s | {Spread.of([r.decode.seconds for r in done])} | |",
        f"| {size} | b: unmask scan, s | {Spread.of([r.scan.seconds for r in done])} | |",
        f"| {size} | b / a | {ratio} | <= {GOAL_SCAN_PER_DECODE:g}: {goal} |",
    ]
    ways = [(r.usual.seconds, r.scan.seconds) for r in done if r.usual]
    if ways:
        rows.append(f"| {size} | c: usual way, s | {Spread.of([u for u, _ in ways])} | |")
        rows.append(f"| {size} | c / b | {Spread.of([u / s for u, s in ways])} | |")
    memory = Spread.of([r.scan.peak_bytes / MIB for r in done])
    return [*rows, f"| {size} | peak memory of b, MiB | {memory} | |"]


def long_rows(setup: Setup, path: Path, size: str) -> list[str]:
    """Scan a clip and the same ten times over once each; return the rows of their memory."""
    longer = setup.folder / "long.mp4"
    run([sys.executable, "-m", "benchmarks.clips", "repeat", path, longer, str(LONG_TIMES)])
    print(f"scanning {path.name} and {LONG_TIMES} times it ...", flush=True)
    one, many = scan(setup, path), scan(setup, longer)
    short_frames, long_frames = (json.loads(r.output)["frames_decoded"] for r in (one, many))
    if long_frames != LONG_TIMES * short_frames:
        raise SystemExit(f"{longer.name}: {long_frames} frames, not {LONG_TIMES} x {short_frames}")
    seconds = setup.options.seconds
    lengths = ((seconds, one), (LONG_TIMES * seconds, many))
    rows = [
        f"| {size} | peak memory, {length:g} s clip, MiB | {done.peak_bytes / MIB:.0f} | |"
        for length, done in lengths
    ]
    rows.append(f"| {size} | {LONG_TIMES} x clip: scan, s | {many.seconds:.2f} | |")
    rows.append(f"| {size} | memory, long / short | {many.peak_bytes / one.peak_bytes:.2f} | |")
    return rows


def help_row() -> str:
    """Time `unmask --help`."""
    seconds = Spread.of([run([unmask(), "--help"]).seconds for _ in range(HELP_RUNS)])
    return f"| | `unmask --help`, s ({HELP_RUNS} runs) | {seconds} | |"


def tree_bytes(folder: Path) -> int:
    """Sum the sizes of all files in a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file())


def install_rows(folder: Path) -> list[str]:
    """Install the core into a fresh environment; return its size and time."""
    print("installing ...", flush=True)
    home = folder / "venv"
    venv.create(home, with_pip=True)
    (packages,) = home.glob("lib/python*/site-packages")
    before = tree_bytes(packages)
    constraint = ["--constraint", ROOT / "constraints.txt"]
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    done = run([*pip, *constraint, ROOT])
    total = tree_bytes(packages) / MIB
    return [
        f"| | site-packages after `pip install .`, MiB | {total:.0f} | |",
        f"| | of that pip itself, MiB | {before / MIB:.0f} | |",
        f"| | `pip install .` with downloads, s | {done.seconds:.1f} | |",
    ]


def cpu_model() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usual_versions(python: str) -> str:
    """Return the versions of what the usual way runs on."""
    code = (
        "import platform as p; from importlib.metadata import version as v; "
        "import cv2; print('Python', p.python_version() + ', OpenCV', cv2.__version__ + ', torch', "
        "v('torch') + ', facenet-pytorch', v('facenet-pytorch'))"
    )
    return run([python, "-c", code]).output.strip()


def commit() -> str:
    """Return the commit that is measured, marked if the working tree differs."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def machine(load: float) -> list[str]:
    """Describe the machine and the versions."""
    names = ("unmask", "av", "numpy", "onnxruntime", "pillow")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return [
        f"- {time.strftime('%Y-%m-%d')}, commit {commit()}",
        f"- {os.cpu_count()} cores, {cpu_model()}; load at the start {load:.2f}",
        f"- {platform.platform()}, Python {platform.python_version()}, {versions}",
    ]


def clip_line(options: argparse.Namespace) -> str:
    """Say what the clips are."""
    source, noise = source_of(options)
    added = "mild noise added" if noise else "no noise added"
    return (
        f"- clips: {source.name} looped to {options.seconds:g} s, fitted into the size with black "
        f"bars where the shape differs, {added}; libx264 crf 23, default GOP"
    )


def document(lines: list[str], rows: list[str]) -> str:
    """Put the results into Markdown."""
    head = ["# Scan speed", "", "Whole processes, wall time: median (min-max).", ""]
    table = ["", "| clip | what | value | goal |", "|---|---|---|---|"]
    return "\n".join([*head, *lines, *table, *rows]) + "\n"


def measure(setup: Setup, load: float) -> str:
    """Do all runs that were asked for and return the document."""
    options = setup.options
    lines = [*machine(load), clip_line(options), f"- {options.repeats} rounds of a, b, c in turn"]
    if setup.why_no_usual:
        lines.append(f"- c, the usual way, was skipped: {setup.why_no_usual}")
    else:
        lines.append(f"- c: {usual_versions(options.usual_python)}; threads as each way defaults")
    rounds(setup, clip(setup, "720p", WARM_UP_SECONDS), 1)  # warms the disk's cache, fails early
    rows: list[str] = []
    for size in SIZES:
        path = clip(setup, size, options.seconds)
        done = rounds(setup, path, options.repeats)
        lines.append(f"- {size}: {check(done)}")
        rows += speed_rows(size, done)
        if options.long and size == "1080p":
            rows += long_rows(setup, path, size)
    rows.append(help_row())
    if options.install:
        rows += install_rows(setup.folder)
    return document(lines, rows)


def main() -> None:
    """Measure, print and write."""
    load = os.getloadavg()[0]
    options = arguments()
    source, _ = source_of(options)
    if not source.is_file():
        raise SystemExit(f"no source clip {str(source)!r}: give one with --source")
    missing = why_no_usual(options.usual_python)
    if missing:
        print(f"the usual way is skipped: {missing}")
    with tempfile.TemporaryDirectory(prefix="unmask-bench-") as folder:
        text = measure(Setup(options, Path(folder), missing), load)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
