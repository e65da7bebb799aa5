"""The commands. Each parses, makes one library call and prints; heavy imports wait until then."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from unmask.cli import (
    building,
    evaluating,
    explaining,
    results,
    serve,
    stressing,
    studying,
    training,
)
from unmask.cli.data import data_app
from unmask.cli.extras import missing_package
from unmask.cli.groups import GroupedCommands
from unmask.errors import UnmaskError
from unmask.files import no_room
from unmask.language import LANGUAGES, choose_language, language_of_environment
from unmask.quiet import leave_no_caches
from unmask.sentences import sentence
from unmask.settings import Limits, ScanSettings

_DEFAULT = ScanSettings()
_STOPPED, _NO_READER = 130, 141
"""Exit codes of a shell for what SIGINT and SIGPIPE end; typer makes 130 of a Ctrl-C, and what
SIGTERM and SIGHUP end has the same."""
_UNWRITTEN = 3
"""Exit code where a result could not be written."""
_STOPPING = ("SIGTERM", "SIGHUP")
"""Signals that do what Ctrl-C does."""
_FAULT = 70
"""Exit code of a fault of the program (`EX_SOFTWARE`); Python's own 1 would tell of a finding."""

app = typer.Typer(
    name="unmask",
    cls=GroupedCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the time of a styled one
    help="Find out which faces in a video are deepfakes, why, and how sure that is. Offline.",
)
app.add_typer(data_app, name="data")


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"unmask {version('unmask')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take what stands before a command."""


def methods_named(text: str) -> tuple[str, ...]:
    """Return the methods of explaining that an option names; `none` stands for none."""
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    return () if named == ("none",) else named


EXIT_CODES = (
    "Exit codes: 0 all analysed, nothing found; 1 some or substantial evidence of manipulation "
    "found, or substantial evidence in one face; 2 wrong use, or no input could be opened; 3 "
    "nothing found, but something could not be analysed (a face that only passes by is listed, and "
    "does not count) or written; 130 stopped with Ctrl-C, SIGTERM or SIGHUP, what was finished is "
    "written; 70 a fault of the program."
)

Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Videos, pictures, folders, globs, a list.txt with a path per line (lines that start "
        "with # are comments), or - for such a list on standard input.",
        show_default=False,
    ),
]
Detector = Annotated[
    str | None,
    typer.Option(
        help="A folder, a name of `detectors list`, or owner/name on the Hub.",
        show_default="the shipped one",
    ),
]
FaceDetector = Annotated[str, typer.Option(help="Face detector: yunet or mtcnn.")]
Selector = Annotated[
    str,
    typer.Option(
        help="Key-frame selector: local-maxima, uniform, all, top-difference, threshold, "
        "shot-aware, codec-keyframes or random."
    ),
]
Budget = Annotated[int, typer.Option(help="Most key frames of a face.")]
SampleFps = Annotated[float, typer.Option(help="Most frames per second that are looked at.")]
Smoothing = Annotated[int, typer.Option(help="Hann window over the difference signal, frames.")]
DetectEvery = Annotated[float, typer.Option(help="Most seconds between two face detections.")]
DetectClosely = Annotated[
    float, typer.Option(help="The same while faces meet, move fast, come or go.")
]
DetectSide = Annotated[
    int,
    typer.Option(
        help="Least longer side of the reduced frames that faces are searched in; no frame is "
        "reduced more than 2.5 times."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Language = Annotated[
    str | None,
    typer.Option(
        help=f"Language of verdicts and report: {', '.join(LANGUAGES)}; JSON stays English.",
        show_default="LC_ALL, LC_MESSAGES or LANG, else en",
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the networks.")]


@app.command(epilog=EXIT_CODES)
def scan(  # noqa: PLR0917 - the parameters are the options
    inputs: Inputs,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the result as JSON; - prints it.")
    ] = None,
    detector: Detector = None,
    face_detector: FaceDetector = _DEFAULT.face_detector,
    selector: Selector = _DEFAULT.selector,
    budget: Budget = _DEFAULT.budget,
    sample_fps: SampleFps = _DEFAULT.sample_fps,
    smoothing_frames: Smoothing = _DEFAULT.smoothing_frames,
    detect_every_seconds: DetectEvery = _DEFAULT.detect_every_seconds,
    detect_closely_seconds: DetectClosely = _DEFAULT.detect_closely_seconds,
    detect_long_side_px: DetectSide = _DEFAULT.detect_long_side_px,
    explain: Annotated[
        str,
        typer.Option(
            help="Maps of where the model looked, separated by commas: gradcam, gradcam++, "
            "faster-scorecam, smoothgrad, occlusion; or none."
        ),
    ] = ",".join(_DEFAULT.explain),
    no_explain: Annotated[bool, typer.Option("--no-explain", help="Make no maps.")] = False,
    stress: Annotated[
        bool,
        typer.Option(
            "--stress", help="Tell whether the verdict survives compression and the like."
        ),
    ] = False,
    max_seconds: Annotated[
        float, typer.Option(help="Look at this much of a video; the rest is reported.")
    ] = _DEFAULT.limits.max_seconds,
    seed: Seed = _DEFAULT.seed,
    threads: Threads = 2,
    workers: Annotated[int, typer.Option(min=1, help="Files at a time.")] = 1,
    timeout_seconds: Annotated[
        float | None,
        typer.Option(
            help="Give up a file that takes longer, and report it.", show_default="no limit"
        ),
    ] = None,
    triage: Annotated[
        bool,
        typer.Option(
            "--triage",
            help="Take a quick look: key frames of the encoder and a few others, without maps.",
        ),
    ] = False,
    then_full: Annotated[
        float | None,
        typer.Option(
            help="After a --triage, scan those in full whose probability is at least this.",
            show_default="none",
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print how long each stage took, of a single file."),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of a result store: it goes on where it was, see `unmask results`.",
        ),
    ] = None,
    retry_failures: Annotated[
        bool,
        typer.Option(
            "--retry-failures",
            help="With -o: try those again that failed; else another version of unmask does.",
        ),
    ] = False,
    no_pages: Annotated[
        bool, typer.Option("--no-pages", help="With -o: keep no pictures for reports.")
    ] = False,
    ndjson: Annotated[
        Path | None,
        typer.Option(help="Write a line of JSON for each file when it is finished; - prints it."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a line of a table for each file when it is finished."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with --ndjson or --csv: skip files with a line."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print errors only; see the exit code.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell each stage of each file.")
    ] = False,
    log_file: Annotated[
        Path | None, typer.Option(help="Add a line with the time for each file to this file.")
    ] = None,
    language: Language = None,
    embed_video: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Write films of up to this many megabytes into the report.",
            show_default="link to them",
        ),
    ] = None,
    case: Annotated[str | None, typer.Option(help="Name of the case, for the report.")] = None,
    analyst: Annotated[str | None, typer.Option(help="Who examines, for the report.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything else, for the report.")] = None,
) -> None:
    """Scan videos and pictures: a verdict per face and file.

    Every verdict comes with its limits, and with what could not be analysed.
    """
    from unmask.cli.progress import Verbosity
    from unmask.cli.scan_outputs import Outputs, examination
    from unmask.cli.scanning import FullScan, profiled_scan, run_scan
    from unmask.jobs import Job

    choose_language(language or language_of_environment())
    settings = ScanSettings(
        face_detector=face_detector,
        selector=selector,
        budget=budget,
        sample_fps=sample_fps,
        smoothing_frames=smoothing_frames,
        detect_every_seconds=detect_every_seconds,
        detect_closely_seconds=detect_closely_seconds,
        detect_long_side_px=detect_long_side_px,
        explain=() if no_explain else methods_named(explain),
        limits=Limits(max_seconds=max_seconds),
        seed=seed,
    )
    job = Job(detector, settings, threads, stress, timeout_seconds)
    outputs, full = (
        Outputs(
            report,
            json,
            ndjson,
            csv,
            store,
            resume=resume,
            retry_failures=retry_failures,
            pages=not no_pages,
            embed_bytes=None if embed_video is None else round(embed_video * 1e6),
            examination=examination(case, analyst, note),
        ),
        None,
    )
    verbosity = Verbosity(quiet, verbose, log_file)
    if then_full is not None:
        full = FullScan(job, then_full, triage=triage)
    if triage:
        job = replace(job, settings=settings.for_triage())
    if profile and full is not None:
        raise ValueError("--profile goes without --then-full")
    if profile:
        raise typer.Exit(profiled_scan(inputs, outputs, job))
    raise typer.Exit(
        run_scan(inputs, outputs, job, workers=workers, full=full, verbosity=verbosity)
    )


@app.command()
def keyframes(  # noqa: PLR0917 - the parameters are the options
    video: Annotated[str, typer.Argument(help="A video.", show_default=False)],
    sheet: Annotated[Path | None, typer.Option(help="Write a picture of the choice.")] = None,
    selector: Selector = _DEFAULT.selector,
    budget: Budget = _DEFAULT.budget,
    sample_fps: SampleFps = _DEFAULT.sample_fps,
    smoothing_frames: Smoothing = _DEFAULT.smoothing_frames,
    face_detector: FaceDetector = _DEFAULT.face_detector,
    seed: Seed = _DEFAULT.seed,
) -> None:
    """List the key frames of each face, and draw the choice.

    The list is tab-separated.
    """
    from unmask.cli.choosing import run_keyframes

    settings = ScanSettings(
        face_detector=face_detector,
        selector=selector,
        budget=budget,
        sample_fps=sample_fps,
        smoothing_frames=smoothing_frames,
        seed=seed,
    )
    raise typer.Exit(run_keyframes(video, sheet, settings))


@app.command()
def schema() -> None:
    """Print the JSON schema of what `scan --json` writes."""
    import json as json_module

    from unmask.report.document import schema as document_schema

    typer.echo(json_module.dumps(document_schema(), indent=2))


@app.command()
def doctor() -> None:
    """Show versions, models, and how to get what is missing."""
    from unmask.cli.doctor import run_doctor

    raise typer.Exit(run_doctor())


results.register(app)
explaining.register(app)
training.register(app)
building.register(app)
evaluating.register(app)
stressing.register(app)
studying.register(app)
serve.register(app)


def complain(error: Exception) -> None:
    """Print an error and its hint to standard error."""
    from unmask.report.wording import one_line

    hint = error.hint if isinstance(error, UnmaskError) else f"see `{command_at_hand()} --help`"
    said, next_step = one_line(sentence(str(error))), one_line(sentence(hint))
    sys.stderr.write(f"error: {said}\nhint: {next_step}\n")


def command_at_hand() -> str:
    """Return the command that was called, without its options: `unmask data crops`."""
    command = typer.main.get_command(app)
    words = ["unmask"]
    for word in sys.argv[1:]:
        if word in (below := getattr(command, "commands", {})):
            command = below[word]
            words.append(word)
        elif not word.startswith("-"):
            break
    return " ".join(words)


def _refuse(error: Exception) -> int:
    """Print why a command ended, and return its exit code: 3 where a result found no room."""
    full = no_room(error)
    if full is None:
        complain(error)
        return 2
    if full.filename is None:
        _write_nowhere(sys.stdout.fileno())  # what is left in its buffer would fail again
    if not isinstance(error, UnmaskError):
        name = "standard output" if full.filename is None else repr(str(full.filename))
        error = UnmaskError(
            f"{name} could not be written: {os.strerror(full.errno or 0)}",
            hint="make room or name another place; what was there before is untouched",
        )
    complain(error)
    return _UNWRITTEN


def _explain_use(error: typer.TyperException) -> None:
    """Print what was wrong with the words; the help alone where there were too few of them."""
    described = getattr(error, "format_message", None)
    message = str(described() if described else error)
    if type(error).__name__ == "NoArgsIsHelpError":  # typer has no public name for it
        sys.stderr.write(f"{message}\n")
    else:
        sys.stderr.write(f"error: {message}\nhint: see `{command_at_hand()} --help`\n")


@contextmanager
def _signals_as_ctrl_c() -> Iterator[None]:
    """Let other ways to be stopped do what Ctrl-C does.

    SIGTERM comes from `timeout`, a container or a service, SIGHUP from a terminal that is closed;
    `nohup` ignores that, and it stays ignored.
    """
    names = [name for name in _STOPPING if hasattr(signal, name)]  # Windows has no SIGHUP
    numbers = [signal.Signals[name] for name in names]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    terminals = [file for file in (1, 2) if os.isatty(file)]

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for each in numbers:  # `timeout` sends two, a terminal one to each process and the shell's
            signal.signal(each, signal.SIG_IGN)
        if signal.Signals(number).name == "SIGHUP":
            _write_nowhere(*terminals)  # they are gone: writing there would end the run at once
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, stop)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _write_nowhere(*files: int) -> None:
    """Let nothing more be written to open files."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for file in files:
        os.dup2(nowhere, file)
    os.close(nowhere)


class _OneLine(logging.Formatter):
    """Warnings of the library, on one line each, with every character of a name in it shown."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        from unmask.report.wording import one_line

        return one_line(super().format(record))


def _show_warnings() -> None:
    """Let warnings of the library be shown as everything else that is printed."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_OneLine())


def _print_every_name() -> None:
    """Let standard output escape what its encoding lacks, in place of breaking off."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _ended_by(error: Exception) -> int:
    """Say what ended a command, and return its exit code."""
    if isinstance(error, BrokenPipeError):
        _write_nowhere(sys.stdout.fileno())
        return _NO_READER
    if no_room(error) is not None or isinstance(error, UnmaskError | ValueError | OSError):
        return _refuse(error)
    if isinstance(error, ModuleNotFoundError) and (missing := missing_package(error)) is not None:
        return _refuse(missing)
    if isinstance(error, typer.TyperException):
        _explain_use(error)
        return 2
    traceback.print_exception(error)
    return _FAULT


def main() -> None:
    """Run the command line; wrong use and bad input end with exit code 2 and a hint."""
    leave_no_caches()
    _print_every_name()
    _show_warnings()
    try:
        with _signals_as_ctrl_c():
            code = app(standalone_mode=False)
            sys.stdout.flush()
    except SystemExit:  # so typer ends a command whose reader has gone
        code = _NO_READER
    except (KeyboardInterrupt, typer.Abort):
        code = _STOPPED
    except Exception as error:  # noqa: BLE001 - each kind has its exit code
        code = _ended_by(error)
    if code == _STOPPED:
        sys.stderr.write("stopped\n")
    sys.exit(code or 0)
