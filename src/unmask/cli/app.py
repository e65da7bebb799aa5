"""The program: its commands under their names, and how each way to end becomes an exit code."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, NoReturn

import typer

from unmask.cli import (
    calibrate,
    card,
    compare,
    detectors,
    doctor,
    evaluate,
    explain,
    explain_check,
    export,
    import_model,
    keyframes,
    predict,
    results,
    scan,
    schema,
    scores,
    serve,
    stress,
    study,
    train,
)
from unmask.cli.data import data_app
from unmask.cli.evaluation_options import EXIT_COVERAGE
from unmask.cli.groups import GroupedCommands
from unmask.cli.messages import command_at_hand, complain
from unmask.cli.optional_packages import missing_package
from unmask.cli.repeated_values import ManyValues
from unmask.core.errors import UnmaskError
from unmask.core.text import one_line
from unmask.system.files import no_room
from unmask.system.telemetry import leave_no_caches

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


def _show_version(requested: bool) -> None:
    if requested:
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


app.command(epilog=scan.EXIT_CODES)(scan.scan)
app.command()(keyframes.keyframes)
app.command()(schema.schema)
app.command()(doctor.doctor)
app.command()(results.results)
app.command()(explain.explain)
app.command("explain-check")(explain_check.explain_check)
app.command(cls=ManyValues, epilog=train.TRAIN_CODES)(train.train)
app.command(epilog=export.EXPORT_CODES)(export.export)
app.add_typer(import_model.import_app, name="import")
app.add_typer(detectors.detectors_app, name="detectors")
app.command(epilog=EXIT_COVERAGE)(predict.predict)
app.command()(scores.scores)
app.command(epilog=EXIT_COVERAGE)(evaluate.evaluate)
app.command(epilog=EXIT_COVERAGE)(compare.compare)
app.command()(calibrate.calibrate)
app.command()(card.card)
app.command(epilog=stress.STRESS_CODES)(stress.stress)
app.add_typer(study.study_app, name="study")
app.command()(serve.serve)


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
        return one_line(super().format(record))


def _show_warnings() -> None:
    """Let warnings of the library be shown as everything else that is printed."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_OneLine())


def _print_every_name() -> None:
    """Let standard output escape what its encoding lacks, in place of breaking off."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _end_with(error: Exception) -> int:
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
        code = _end_with(error)
    if code == _STOPPED:
        sys.stderr.write("stopped\n")
    sys.exit(code or 0)
