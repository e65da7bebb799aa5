"""How long a scan takes, and how much memory: `make bench`, or `python -m benchmarks.scan_speed`.

For a clip of 720p in H.264 with one face, and for clips that differ from it in size, codec, faces
or length, each as a whole process, in turn a b c d a b d a b d ... (c takes long, and comes once):

    a  PyAV decodes every frame, nothing else
    b  unmask scan CLIP --report --json
    c  the usual way (see `benchmarks.usual_way`), where its packages are installed
    d  unmask scan CLIP --triage --json

Ratios are taken pair by pair. One more scan with `--profile` gives each stage's share. A clip of
more than one minute goes through a, b and d once. Films of 1, 10 and 60 minutes of a small size are
scanned once for their memory. The table goes to
benchmarks/results/scan-speed.md; on a machine that other work keeps busy, its CPU times can still
be compared, and `load` says how busy it was.

A quarter of an hour on two cores, a third of it for the clips: `--clips FOLDER` keeps them, and
`--only-clips` does nothing but make them. A part of it: `--sizes 720p --codecs h264 --faces 1
--minutes 1 --repeats 1 --usual-repeats 0 --lengths 1`.
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
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Run, Spread, run

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "360p": (640, 360)}
SCANNED = (0, 1, 3)
GOAL_ONE_FACE = {"720p": 1.5, "1080p": 1.3}
GOAL_FOUR_FACES = 2.0
GOAL_TRIAGE = 0.4
GOAL_USUAL = 5.0
GOAL_MIB = 300.0
GOAL_GROWTH = 0.1
NOISE = 6
HELP_RUNS = 5
CLIP_SECONDS = 60.0
WARM_UP_SECONDS = 2.0
MIB = 2**20
ACCOUNT = "\n## Where the rest goes\n"
"""Heading of what people write about the figures; another run leaves it as it is."""


@dataclass(frozen=True)
class Case:
    """What one clip is."""

    size: str
    """A key of `SIZES`; 360p for films whose memory alone is compared."""
    codec: str
    """`h264` or `hevc`."""
    faces: int
    """1 or 4."""
    minutes: int
    """Length; clips of more than one minute repeat that of one without encoding it again."""

    def __str__(self) -> str:
        """Return it as the first column of the table."""
        count = "1 face" if self.faces == 1 else f"{self.faces} faces"
        return f"{self.size} {self.codec}, {count}, {self.minutes} min"

    @property
    def goal(self) -> float:
        """Most that a scan may take, in decoding times."""
        return GOAL_ONE_FACE[self.size] if self.faces == 1 else GOAL_FOUR_FACES


@dataclass(frozen=True)
class Setup:
    """What the runs are made with."""

    options: argparse.Namespace
    folder: Path
    why_no_usual: str | None


@dataclass(frozen=True)
class Round:
    """The four ways, one after the other."""

    decode: Run
    scan: Run
    usual: Run | None
    triage: Run
    load: float
    """Processes that wanted a core in the minute before."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_speed")
    add = parser.add_argument
    add("--source", type=Path, help="a video that is looped (default: examples/original.mp4)")
    add("--usual-python", default=sys.executable, help="interpreter with torch, for the usual way")
    add("--detector", type=Path, help="folder of a detector bundle (default: the shipped one)")
    add("--repeats", type=int, default=3)
    add("--usual-repeats", type=int, default=1, help="runs of the usual way; 0: none")
    add("--sizes", nargs="+", choices=tuple(GOAL_ONE_FACE), default=list(GOAL_ONE_FACE))
    add("--codecs", nargs="+", choices=("h264", "hevc"), default=["h264", "hevc"])
    add("--faces", nargs="+", type=int, choices=(1, 4), default=[1, 4])
    add("--minutes", nargs="+", type=int, default=[1, 10])
    add("--lengths", nargs="+", type=int, default=[1, 10, 60], help="minutes, for the memory")
    add("--clips", type=Path, help="folder that keeps the clips (default: a temporary one)")
    add("--only-clips", action="store_true", help="make the clips, measure nothing")
    add("--seconds", type=float, default=CLIP_SECONDS, help="length of what is called a minute")
    add("--install", action="store_true", help="also install into a fresh environment")
    add("--out", type=Path, default=RESULTS / "scan-speed.md")
    options = parser.parse_args()
    counts = (options.repeats, *options.minutes, *options.lengths)
    if min(counts) < 1 or options.seconds <= 0 or options.usual_repeats < 0:
        parser.error("--repeats, --minutes, --lengths and --seconds must be above zero")
    return options


def source_of(options: argparse.Namespace) -> tuple[Path, int]:
    """Return the source clip and the strength of the noise added to it."""
    if options.source:
        return options.source, 0
    return ROOT / "examples" / "original.mp4", NOISE


def clip(setup: Setup, case: Case, seconds: float) -> Path:
    """Make the clip of a case, or return the one that is there."""
    source, noise = source_of(setup.options)
    out = setup.folder / f"{case.size}-{case.codec}-{case.faces}-{case.minutes}x{seconds:g}s.mp4"
    if out.exists():
        return out
    print(f"making {out.name} ...", flush=True)
    unfinished = out.with_name(f"unfinished-{out.name}")
    if case.minutes > 1:
        one = clip(setup, replace(case, minutes=1), seconds)
        words = ["repeat", one, unfinished, str(case.minutes)]
    else:
        width, height = SIZES[case.size]
        kind = map(str, (width, height, seconds, noise, case.codec, case.faces))
        words = ["make", source, unfinished, *kind]
    run([sys.executable, "-m", "benchmarks.clips", *words])
    return unfinished.rename(out)


def unmask() -> Path:
    """Return the installed command next to this interpreter."""
    return Path(sys.executable).parent / "unmask"


def decode(path: Path) -> Run:
    """Decode a clip alone."""
    return run([sys.executable, "-m", "benchmarks.decode_only", path])


def scan(setup: Setup, path: Path, *more: str) -> Run:
    """Scan a clip; the returned output is its coverage as JSON."""
    result = setup.folder / "result.json"
    result.unlink(missing_ok=True)
    detector = setup.options.detector
    chosen = ["--detector", detector] if detector else []
    report = [] if "--triage" in more else ["--report", setup.folder / "report.html"]
    words = [path, *report, "--json", result, *chosen, *more]
    done = run([unmask(), "scan", *words], accepted=SCANNED)
    document = json.loads(result.read_text(encoding="utf-8"))
    if document["failures"] or len(document["results"]) != 1:
        raise SystemExit(f"the scan failed: {document['failures']}")
    return replace(done, output=json.dumps(document["results"][0]["coverage"]))


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


def rounds(setup: Setup, case: Case, path: Path) -> list[Round]:
    """Run a, b, c, d in turn; c as often as was asked for; a long clip once and without c."""
    options = setup.options
    result: list[Round] = []
    long = case.minutes > 1
    repeats, usual_repeats = (1, 0) if long else (options.repeats, options.usual_repeats)
    for number in range(1, repeats + 1):
        usual_run = usual(setup, path) if number <= usual_repeats else None
        ways = decode(path), scan(setup, path), usual_run, scan(setup, path, "--triage")
        each = Round(*ways, os.getloadavg()[0])
        third = f" {each.usual.seconds:.2f}" if each.usual else " -"
        times = f"{each.decode.seconds:.2f} {each.scan.seconds:.2f}{third}"
        times += f" {each.triage.seconds:.2f} s, load {each.load:.1f}"
        print(f"{path.name} {number}/{repeats}: {times}", flush=True)
        result.append(each)
    return result


def check(done: list[Round]) -> str:
    """Say what the ways did; refuse if the scan decoded other frames than decoding alone."""
    first = done[0]
    frames, coverage = int(first.decode.output), json.loads(first.scan.output)
    decoded, left_out = coverage["frames_decoded"], coverage["frames_left_out"]
    if decoded + left_out != frames:
        raise SystemExit(f"scan decoded {decoded} frames of {frames} and left out {left_out}")
    text = (
        f"{frames} frames, {decoded} decoded, {coverage['frames_sampled']} sampled; scan: "
        f"{coverage['tracks_found']} faces found, {coverage['tracks_judged']} judged"
    )
    if first.usual:
        read, scored = first.usual.output.split()[-2:]
        text += f"; usual way: {read} frames read, {scored} faces scored"
    return text


def way_row(case: Case, name: str, runs: list[Run]) -> str:
    """Return the row of one way: wall time and CPU time."""
    wall, cpu = Spread.of([r.seconds for r in runs]), Spread.of([r.cpu_seconds for r in runs])
    return f"| {case} | {name}, s | {wall} | {cpu} | |"


def ratio_row(name: str, pairs: list[tuple[Run, Run]], goal: float, *, most: bool) -> str:
    """Return the row of a ratio with its goal, the most or the least that its wall time should be.

    Where other work keeps the machine busy, the ratio of CPU times says more.
    """
    wall = Spread.of([one.seconds / other.seconds for one, other in pairs])
    cpu = Spread.of([one.cpu_seconds / other.cpu_seconds for one, other in pairs])
    met = wall.median <= goal if most else wall.median >= goal
    aim = f"{'<=' if most else '>='} {goal:g}: {'met' if met else 'NOT met'}"
    return f"| {name} | {wall} | {cpu} | {aim} |"


def speed_rows(case: Case, done: list[Round]) -> list[str]:
    """Return the table rows of a case."""
    rows = [
        way_row(case, "a: PyAV decode alone", [r.decode for r in done]),
        way_row(case, "b: unmask scan", [r.scan for r in done]),
        ratio_row(f"{case} | b / a", [(r.scan, r.decode) for r in done], case.goal, most=True),
    ]
    if usual_runs := [r.usual for r in done if r.usual]:
        pairs = [(r.usual, r.scan) for r in done if r.usual]
        rows.append(way_row(case, "c: usual way", usual_runs))
        rows.append(ratio_row(f"{case} | c / b", pairs, GOAL_USUAL, most=False))
    rows.append(way_row(case, "d: triage", [r.triage for r in done]))
    pairs = [(r.triage, r.decode) for r in done]
    rows.append(ratio_row(f"{case} | d / a", pairs, GOAL_TRIAGE, most=True))
    memory = Spread.of([r.scan.peak_bytes / MIB for r in done])
    met = "met" if memory.median <= GOAL_MIB else "NOT met"
    rows.append(f"| {case} | peak memory of b, MiB | {memory} | | <= {GOAL_MIB:g}: {met} |")
    return [*rows, f"| {case} | load | {Spread.of([r.load for r in done])} | | |"]


def memory_rows(setup: Setup) -> list[str]:
    """Scan films of several lengths, and return how their memory compares."""
    options = setup.options
    peaks, rows = [], []
    for minutes in sorted(options.lengths):
        case = Case("360p", "h264", 1, minutes)
        done = scan(setup, clip(setup, case, options.seconds))
        print(f"{case}: {done.seconds:.1f} s, {done.peak_bytes / MIB:.0f} MiB", flush=True)
        peaks.append(done.peak_bytes / MIB)
        rows.append(way_row(case, "b: unmask scan", [done]))
        rows.append(f"| {case} | peak memory of b, MiB | {peaks[-1]:.0f} | | |")
    growth = max(peaks) / min(peaks) - 1
    met = "met" if growth < GOAL_GROWTH else "NOT met"
    goal = f"< {GOAL_GROWTH:.0%}: {met}"
    return [*rows, f"| all lengths | most memory over least | {growth:+.1%} | | {goal} |"]


def stages(setup: Setup, case: Case, path: Path) -> list[str]:
    """Scan once more and return its stages as a section."""
    table = scan(setup, path, "--profile").errors
    return ["", f"## Stages: {case}", "", "```", *table.strip().splitlines(), "```"]


def help_row() -> str:
    """Time `unmask --help`."""
    seconds = Spread.of([run([unmask(), "--help"]).seconds for _ in range(HELP_RUNS)])
    return f"| | `unmask --help`, s ({HELP_RUNS} runs) | {seconds} | | |"


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
        f"| | site-packages after `pip install .`, MiB | {total:.0f} | | |",
        f"| | of that pip itself, MiB | {before / MIB:.0f} | | |",
        f"| | `pip install .` with downloads, s | {done.seconds:.1f} | | |",
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
    request = subprocess.run(words, capture_output=True, text=True, check=False)
    return request.stdout.strip() or "unknown"


def machine(load: float) -> list[str]:
    """Describe the machine and the versions."""
    loads = f"{load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    names = ("unmask", "av", "numpy", "onnxruntime", "pillow")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return [
        f"- {time.strftime('%Y-%m-%d')}, commit {commit()}",
        f"- {os.cpu_count()} cores, {cpu_model()}; load {loads}",
        f"- {platform.platform()}, Python {platform.python_version()}, {versions}",
    ]


def clip_line(options: argparse.Namespace) -> str:
    """Say what the clips are."""
    source, noise = source_of(options)
    added = "mild noise added" if noise else "no noise added"
    return (
        f"- clips: {source.name} looped to {options.seconds:g} s (called a minute), fitted into "
        f"the size with black bars where the shape differs, {added}; four faces: four times in a "
        "frame; libx264 crf 23 and libx265 crf 28, default presets and GOPs"
    )


def document(lines: list[str], rows: list[str], sections: list[str]) -> str:
    """Put the results into Markdown."""
    head = ["# Scan speed", "", "Whole processes: median (min-max).", ""]
    table = ["", "| clip | what | wall | CPU | goal |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines, *table, *rows, *sections]) + "\n"


def account(out: Path) -> str:
    """Return what people wrote below the figures of an earlier run."""
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    _, heading, text = before.partition(ACCOUNT)
    return heading + text


def cases(options: argparse.Namespace) -> list[Case]:
    """Return a case with the first of each value asked for, and those that differ in one value."""
    base = Case(options.sizes[0], options.codecs[0], options.faces[0], options.minutes[0])
    others = [
        *(replace(base, faces=faces) for faces in options.faces[1:]),
        *(replace(base, codec=codec) for codec in options.codecs[1:]),
        *(replace(base, size=size) for size in options.sizes[1:]),
        *(replace(base, minutes=minutes) for minutes in options.minutes[1:]),
    ]
    return [base, *others]


def make_clips(setup: Setup) -> None:
    """Make every clip of the run that is not there yet."""
    options = setup.options
    films = [Case("360p", "h264", 1, minutes) for minutes in options.lengths]
    for case in [*cases(options), *films]:
        clip(setup, case, options.seconds)


def measure(setup: Setup, load: float) -> str:
    """Do all runs that were asked for and return the document."""
    options = setup.options
    lines = [
        clip_line(options),
        f"- {options.repeats} rounds of a, b, d in turn, c in the first {options.usual_repeats}",
    ]
    if setup.why_no_usual:
        lines.append(f"- c, the usual way, was skipped: {setup.why_no_usual}")
    else:
        lines.append(f"- c: {usual_versions(options.usual_python)}; threads as each way defaults")
    warm_up = Case("720p", "h264", 1, 1)
    scan(setup, clip(setup, warm_up, WARM_UP_SECONDS))  # warms the disk's cache, fails early
    rows: list[str] = []
    sections: list[str] = []
    for case in cases(options):
        path = clip(setup, case, options.seconds)
        done = rounds(setup, case, path)
        lines.append(f"- {case}: {check(done)}")
        rows += speed_rows(case, done)
        sections += stages(setup, case, path) if case.minutes == 1 else []
    rows += [*memory_rows(setup), help_row()]
    if options.install:
        rows += install_rows(setup.folder)
    return document([*machine(load), *lines], rows, sections)


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
        clips = options.clips or Path(folder)
        clips.mkdir(parents=True, exist_ok=True)
        setup = Setup(options, clips, missing)
        make_clips(setup)
        if options.only_clips:
            return
        text = measure(setup, load)
    options.out.write_text(text + account(options.out), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
