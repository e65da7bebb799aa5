"""The command line as a user meets it: output, errors with hints, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import pytest

from commands import Command
from unmask.cli.runs import scan
from unmask.cli.runs.scan_outputs import Outputs
from unmask.core.settings import ScanSettings
from unmask.scanner.batch import Job
from unmask.scanner.scanner import Scanner
from unmask.system.engines import LOCAL

EXAMPLES = Path(__file__).parents[2] / "examples"
ORIGINAL = str(EXAMPLES / "original.mp4")


def in_a_process_of_its_own(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from unmask.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


def png_header(path: Path, side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def bad_input(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    match kind:
        case "text":
            path.write_text("this is not a video")
        case "empty":
            path.touch()
        case "audio":
            audio_only(path)
        case "huge":
            png_header(path, 20_000)
        case "folder-of-nothing":
            path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "audio", "huge", "missing", "folder-of-nothing"])
def test_bad_input_ends_with_one_line_a_hint_and_code_2(
    unmask: Command, kind: str, tmp_path: Path
) -> None:
    done = unmask("scan", str(bad_input(kind, tmp_path)))
    error, hint = done.stderr.splitlines()
    assert (error[:7], hint[:6], done.returncode) == ("error: ", "hint: ", 2)
    assert done.stdout == ""


def unprivileged(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `unmask` as a user whom permissions bind, even where the tests run as root."""
    wrapper = [sys.executable, str(Path(__file__).parents[1] / "unprivileged.py")]
    command = [*wrapper, sys.executable, "-c", "from unmask.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Paths that exist and may not be read, by what is in the way."""
    file, folder, names = tmp_path / "file.mp4", tmp_path / "folder", tmp_path / "list.txt"
    folder.mkdir()
    for copy in (file, folder / "below.mp4"):
        copy.write_bytes(Path(ORIGINAL).read_bytes())
    names.write_text(ORIGINAL)
    for path in (file, folder, names):
        path.chmod(0)
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    yield {
        "file": str(file),
        "file in a locked folder": str(folder / "below.mp4"),
        "folder": str(folder),
        "list": str(names),
        "loop": str(loop),
    }
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("file", "Permission denied"),
        ("file in a locked folder", "Permission denied"),
        ("list", "Permission denied"),
        ("loop", "Too many levels of symbolic links"),
        ("folder", "not a regular file"),
    ],
)
def test_an_unreadable_path_is_bad_input(locked: dict[str, str], kind: str, why: str) -> None:
    done = unprivileged("scan", locked[kind])
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert locked[kind] in error
    assert why in error
    assert (hint[:6], done.returncode, done.stdout) == ("hint: ", 2, "")


def test_unreadable_paths_do_not_keep_a_batch_from_the_others(locked: dict[str, str]) -> None:
    done = unprivileged("scan", *locked.values(), ORIGINAL)
    assert done.stderr.count("error: ") == done.stderr.count("hint: ") == len(locked)
    assert done.stdout.startswith(f"{ORIGINAL}: ")
    assert done.returncode in {1, 3}


def test_a_folder_names_the_locked_folder_below_it(locked: dict[str, str], tmp_path: Path) -> None:
    done = unprivileged("scan", str(tmp_path))
    assert locked["folder"] in done.stderr


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_outputs_that_cannot_be_written_are_refused_at_once(
    locked: dict[str, str], option: str
) -> None:
    for target in (locked["folder"] + "/out", str(Path(locked["folder"]).parent)):
        done = unprivileged("scan", ORIGINAL, option, target)
        assert done.returncode == 2
        assert "may not be written" in done.stderr
        assert done.stdout == ""


def test_a_file_cut_in_half_is_analysed_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = tmp_path / "whole.ts"
    with av.open(ORIGINAL) as source, av.open(str(whole), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    half = tmp_path / "half.ts"
    data = whole.read_bytes()
    half.write_bytes(data[: len(data) // 2])
    done = in_a_process_of_its_own("scan", str(half))
    assert done.returncode in {0, 1, 3}
    assert "face 1" in done.stdout


def test_a_half_mp4_without_its_index_is_bad_input(unmask: Command, tmp_path: Path) -> None:
    half = tmp_path / "half.mp4"
    data = Path(ORIGINAL).read_bytes()
    half.write_bytes(data[: len(data) // 2])
    done = unmask("scan", str(half))
    assert done.returncode == 2
    assert "hint: it begins as an MP4 whose index is missing" in done.stderr


def test_in_a_batch_the_other_files_are_still_analysed(tmp_path: Path) -> None:
    report, out = tmp_path / "out.html", tmp_path / "out.json"
    bad = [str(bad_input(kind, tmp_path)) for kind in ("text", "missing", "huge")]
    done = in_a_process_of_its_own(
        "scan", *bad, ORIGINAL, "--report", str(report), "--json", str(out)
    )
    document = json.loads(out.read_text())
    assert [r["video"]["path"] for r in document["results"]] == [ORIGINAL]
    assert [f["path"] for f in document["failures"]] == bad
    assert done.returncode in {1, 3}
    assert "<html" in report.read_text()


def without_reader(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run with a standard output whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from unmask.cli import main; main()", *words]
    try:
        return subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)


def test_a_reader_that_has_gone_changes_neither_outputs_nor_exit_code(tmp_path: Path) -> None:
    written = tmp_path / "result.json"
    done = without_reader("scan", ORIGINAL, "--no-explain", "--json", str(written))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(json.loads(written.read_text())["results"]) == 1
    assert without_reader("schema").returncode == 141


def test_a_run_that_is_stopped_writes_what_it_has(tmp_path: Path) -> None:
    written = tmp_path / "result.json"
    # a suite that runs in the background of a shell hands on that SIGINT is ignored
    command = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from unmask.cli import main; main()"
    )
    copies = [str(shutil.copy(ORIGINAL, tmp_path / f"{number}.mp4")) for number in range(4)]
    words = [sys.executable, "-c", command, "scan", "--no-explain", "--json", str(written), *copies]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert "0.mp4: little evidence" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, text = running.communicate()
    assert running.returncode == 130
    assert text.endswith("stopped\n")
    document = json.loads(written.read_text())
    assert len(document["results"]) + len(document["failures"]) == 4
    assert document["results"][0]["video"]["path"] == copies[0]
    assert "the run was stopped" in document["failures"][-1]["error"]


def test_a_result_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Scanner(settings=ScanSettings(explain=())).scan(ORIGINAL)
    video = replace(good.result.video, duration_seconds=float("nan"))
    bad = replace(good, result=replace(good.result, video=video))
    monkeypatch.setattr(scan, "scan_all", lambda *_, **__: enumerate((good, bad, good)))
    page, written = tmp_path / "report.html", tmp_path / "result.json"
    inputs = [str(shutil.copy(ORIGINAL, tmp_path / f"{number}.mp4")) for number in range(3)]
    code = scan.run_scan(inputs, Outputs(page, written), Job(), engine=LOCAL)
    document = json.loads(written.read_text())
    assert (code, len(document["results"]), len(document["failures"])) == (3, 2, 1)
    assert "duration_seconds is nan" in document["failures"][0]["error"]
    assert "0 of 3 files need a look" in page.read_text()
    assert "duration_seconds is nan" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_an_output_never_replaces_an_input(unmask: Command, option: str, tmp_path: Path) -> None:
    evidence = Path(shutil.copy(ORIGINAL, tmp_path / "clip.mp4"))
    before = evidence.read_bytes()
    (tmp_path / "link.mp4").symlink_to(evidence)
    for name in ("clip.mp4", "link.mp4"):
        done = unmask("scan", str(evidence), option, str(tmp_path / name))
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
    assert evidence.read_bytes() == before
    same = str(tmp_path / "same")
    assert unmask("scan", str(evidence), "--report", same, "--json", same).returncode == 2
    assert unmask("scan", str(evidence), "--report", "-").returncode == 2


def test_json_on_stdout_is_all_that_stdout_holds() -> None:
    done = in_a_process_of_its_own("scan", ORIGINAL, "--json", "-")
    assert json.loads(done.stdout)["schema_version"] == "1"


def test_a_list_on_standard_input_is_read() -> None:
    done = in_a_process_of_its_own("scan", "-", stdin=f"# clips\n{ORIGINAL}\n")
    assert done.stdout.startswith(ORIGINAL)


def test_an_output_folder_that_is_missing_is_refused_at_once(
    unmask: Command, tmp_path: Path
) -> None:
    done = unmask("scan", ORIGINAL, "--report", str(tmp_path / "none" / "out.html"))
    assert done.returncode == 2
    assert "hint: make the folder first" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["scan", ORIGINAL, "--selector", "best"],
        ["scan", ORIGINAL, "--budget", "0"],
        ["scan", ORIGINAL, "--detector", "nowhere"],
        ["scan", ORIGINAL, "--no-such-option"],
        ["no-such-command"],
    ],
)
def test_wrong_use_is_code_2_with_a_hint(unmask: Command, words: list[str]) -> None:
    done = unmask(*words)
    assert done.returncode == 2
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_keyframes_lists_and_draws(unmask: Command, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = unmask("keyframes", ORIGINAL, "--sheet", str(sheet), "--budget", "5")
    assert len(done.stdout.splitlines()) == 6
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_doctor_finds_the_installation_ready() -> None:
    done = in_a_process_of_its_own("doctor")
    assert (done.returncode, "ok       detector" in done.stdout) == (0, True)


@pytest.mark.parametrize("words", [[], ["data"], ["detectors"]])
def test_the_list_of_commands_cuts_no_line(unmask: Command, words: list[str]) -> None:
    listed = unmask(*words, "--help").stdout.partition("ommands:")[2]
    assert len(listed.splitlines()) > 2
    assert "..." not in listed


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("pyarrow", ["study", "list"], "[train]"),
        ("pyarrow", ["compare", "a", "b"], "[data]"),
        ("torch", ["export", "run", "-o", "bundle"], "[train]"),
    ],
)
def test_what_is_not_installed_is_named_with_how_to_get_it(
    package: str, words: list[str], extra: str
) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from unmask.cli import main; main()"
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    text, hint = done.stderr.splitlines()
    assert package in text
    assert extra in hint


@pytest.mark.parametrize("words", [[], ["data"], ["study"]])
def test_a_command_without_words_shows_its_help_and_no_error(
    unmask: Command, words: list[str]
) -> None:
    done = unmask(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ")


def test_the_version_is_shown() -> None:
    assert in_a_process_of_its_own("--version").stdout == f"unmask {version('unmask')}\n"


def test_the_schema_is_json(unmask: Command) -> None:
    assert json.loads(unmask("schema").stdout)["title"] == "ScanDocument"


def test_scanning_never_imports_torch() -> None:
    code = (
        "import sys; from unmask.cli.app import app; import unmask.cli.runs.scan; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_scan_under_stress_says_whether_its_verdict_stays(tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    done = in_a_process_of_its_own(
        "scan", ORIGINAL, "--no-explain", "--stress", "--budget", "3", "--json", str(out)
    )
    result = json.loads(out.read_text())["results"][0]
    words = [each["verdict"]["word"] for each in result["stress"]]
    assert len(words) == 28
    stays = words.count(result["verdict"]["word"])
    assert f"the verdict stays under {stays} of 28 distortions" in done.stdout
    assert " --stress -- " in result["command"]
