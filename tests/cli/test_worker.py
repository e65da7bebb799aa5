"""`unmask scan` and the process that reads the file: whatever that does, it is named and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


def started(reading: str, *options: str) -> subprocess.Popen[str]:
    """Run `unmask scan a.mp4` in a process of its own, with a function of `reading_badly`."""
    program = (
        "import sys\n"
        "import reading_badly\n"
        "from unmask.scanner import batch as jobs\n"
        "from unmask.cli import main\n"
        f"reading_badly.{reading}(jobs)\n"
        f"sys.argv = ['unmask', 'scan', 'a.mp4', *{options!r}]\n"
        "main()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=FOLDER,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended(reading: str, *options: str) -> tuple[int, str]:
    process = started(reading, *options)
    _, text = process.communicate(timeout=60)
    return process.returncode, text


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_file_on_which_native_code_hangs_can_be_stopped_at_once(
    name: str, tmp_path: Path
) -> None:
    process = started("hang")
    assert process.stderr is not None
    assert process.stderr.readline() == "hanging\n"
    began = time.monotonic()
    os.killpg(process.pid, getattr(signal, name))
    try:
        _, text = process.communicate(timeout=60)  # the worker holds the pipes: it is gone, too
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # it would keep a core busy for ever
        raise
    assert (process.returncode, text) == (130, "stopped\n")
    assert time.monotonic() - began < 2


def test_a_library_that_ends_its_process_looks_like_no_finding() -> None:
    code, text = ended("exit_while_loading")
    assert code == 3
    assert text.startswith("error: a worker process died before its first task: exit code 1\nhint")
    code, text = ended("exit_while_reading")
    assert code == 3
    assert "'a.mp4': the process that analysed it died: exit code 1 (stage: reading)" in text


def test_libraries_that_cannot_be_loaded_for_lack_of_memory_are_named() -> None:
    code, text = ended("load_nothing")
    assert code == 3
    assert text.startswith("error: the decoders and networks cannot be loaded: ImportError: libx")
    assert "hint: is there enough memory?" in text


def test_a_file_that_crashes_its_decoder_or_takes_too_long_is_named() -> None:
    code, text = ended("crash")
    assert code == 3
    assert "'a.mp4': the process that analysed it died: ended by SIGSEGV" in text
    code, text = ended("hang", "--timeout-seconds", "0.5")
    assert code == 3
    assert "'a.mp4' was not analysed: it took longer than 0.5 s" in text


def test_the_process_of_the_command_line_loads_no_decoder() -> None:
    program = (
        "import sys, unmask.cli.runs.scan\n"
        "print(sorted({'av', 'numpy', 'onnxruntime', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
