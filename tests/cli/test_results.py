"""`unmask scan -o`, `--ndjson` and `--csv`, and `unmask results`: what many files leave behind."""

from __future__ import annotations

import csv
import errno
import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow (extra `data`)")

import pyarrow.parquet as pq

from commands import Command
from scan_records import scan_record
from unmask.cli.runs import scan
from unmask.core.errors import NotMedia, UnmaskError
from unmask.core.media import VideoInfo
from unmask.core.scan import Scan
from unmask.results.store import ResultStore
from unmask.system.files import file_sha256

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let files be 'scanned' by their text: a probability, or `bad`; return which were."""
    names: list[str] = []

    def scan_all(
        paths: Sequence[str], *_: object, **__: object
    ) -> Iterator[tuple[int, Scan | UnmaskError]]:
        for place, path in enumerate(paths):
            names.append(path)
            if (text := Path(path).read_text()) == "bad":
                yield place, NotMedia(f"{path!r} is no video", hint="give one")
                continue
            record = scan_record(path, float(text))
            video = replace(record.video, sha256=file_sha256(Path(path)))
            yield place, Scan(replace(record, video=video), ())

    monkeypatch.setattr(scan, "scan_all", scan_all)
    return names


def write(texts: dict[str, str]) -> None:
    """Write files, each looking an hour old: only such a one is taken for unchanged."""
    for name, text in texts.items():
        Path(name).write_text(text)
        os.utime(name, (time.time() - 3600,) * 2)


def test_only_what_is_new_or_has_changed_is_done_again(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9", "c.mp4": "bad"})
    done = unmask("scan", "a.mp4", "b.mp4", "c.mp4", "-o", "r")
    assert (done.returncode, len(scanned)) == (1, 3)
    assert "note: analysed now: 2, known from before: 0, failed: 1; see `unmask results r`" in (
        done.stderr
    )
    assert unmask("scan", "a.mp4", "b.mp4", "c.mp4", "-o", "r").returncode == 1
    assert len(scanned) == 3
    write({"a.mp4": "0.3"})
    Path("b.mp4").rename("moved.mp4")
    done = unmask("scan", "a.mp4", "moved.mp4", "c.mp4", "-o", "r", "--retry-failures")
    assert scanned[3:] == ["a.mp4", "c.mp4"]
    assert done.returncode == 1
    shown = unmask("results", "r").stdout.splitlines()
    assert [line.split(")  ")[-1].strip() for line in shown] == ["b.mp4 (also moved.mp4)", "a.mp4"]
    assert len(list(ResultStore("r").results())) == 3  # what a.mp4 was before is still there
    paths = pq.read_table("r/paths.parquet").to_pylist()
    assert {row["path"] for row in paths} == {"a.mp4", "b.mp4", "moved.mp4", "c.mp4"}


def test_copies_of_one_content_are_scanned_once(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.2", "c.mp4": "0.3"})
    done = unmask("scan", "a.mp4", "b.mp4", "c.mp4", "-o", "r")
    assert scanned == ["a.mp4", "c.mp4"]
    assert "b.mp4: same content as a.mp4" in done.stdout
    assert unmask("scan", "b.mp4", "-o", "r").returncode == 0
    assert scanned == ["a.mp4", "c.mp4"]


def test_other_settings_are_other_results(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2"})
    unmask("scan", "a.mp4", "-o", "r")
    unmask("scan", "a.mp4", "-o", "r", "--seed", "1")
    assert scanned == ["a.mp4", "a.mp4"]
    assert len(list(ResultStore("r").results())) == 2
    assert len(unmask("results", "r").stdout.splitlines()) == 1  # the newest of a content


def test_a_failure_is_told_by_kind_and_never_counts_as_genuine(
    unmask: Command, scanned: list[str]
) -> None:
    write({f"{n}.mp4": "bad" for n in range(5)})
    for name in [f"{n}.mp4" for n in range(5)]:
        Path(name).write_text("bad")
    assert unmask("scan", *(f"{n}.mp4" for n in range(5)), "-o", "r").returncode == 2
    text = unmask("results", "r", "--failures").stdout
    assert text.startswith("NotMedia:\n  ")
    done = unmask("results", "r")
    assert (done.stdout, "failed: 1" in done.stderr) == ("", True)


def test_results_are_chosen_and_written(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9", "c.mp4": "bad"})
    unmask("scan", "a.mp4", "b.mp4", "c.mp4", "-o", "r")
    done = unmask("results", "r", "--above", "0.7")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["b.mp4"]
    done = unmask("results", "r", "--verdict", "little", "--csv", "-")
    assert [row["path"] for row in csv.DictReader(done.stdout.splitlines())] == ["a.mp4"]
    done = unmask("results", "r", "--report-dir", "pages")
    index = Path("pages/index.html").read_text()
    assert "1 of 3 files need a look" in index
    assert len(list(Path("pages/pages").glob("*.html"))) == 2
    assert unmask("results", "r", "--report-dir", "pages").returncode == 0
    assert unmask("results", "r", "--report-dir", "r").returncode == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("results", "nowhere"), "'nowhere' is no result store"),
        (("results", "nowhere", "--above", "70"), "a probability from 0 to 1, got 70"),
        (("results", "nowhere", "--verdict", "fake"), "--verdict is one of substantial"),
        (("results", "nowhere", "--csv", "-", "--ndjson", "-"), "only one of --csv, --json and"),
        (("results", "nowhere", "--report", "-"), "--report needs a file"),
        (("scan", "a.mp4", "-o", "r", "--json", "-"), "-o goes without"),
        (("scan", "a.mp4", "--resume"), "--resume goes with --ndjson or --csv"),
        (("scan", "a.mp4", "--csv", "-", "--resume"), "--resume needs files"),
        (("scan", "a.mp4", "--csv", "-", "--ndjson", "-"), "only one of --json, --ndjson"),
        (("scan", "a.mp4", "--retry-failures"), "go with -o"),
        (("scan", "a.mp4", "-q", "-v"), "-q goes without -v"),
    ],
)
def test_what_makes_no_sense_is_refused(unmask: Command, words: tuple[str, ...], why: str) -> None:
    done = unmask(*words)
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_lines_come_as_files_finish_and_a_torn_one_is_done_again(
    unmask: Command, scanned: list[str], kind: str
) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9", "c\n.mp4": "bad"})
    words = ("scan", "a.mp4", "c\n.mp4", "b.mp4", f"--{kind}", "out")
    assert unmask(*words).returncode == 1
    whole = Path("out").read_text()
    Path("out").write_text(whole[: whole.rindex("b.mp4") + 5])
    scanned.clear()
    assert unmask(*words, "--resume").returncode == 1
    assert scanned == ["b.mp4"]
    assert paths_in(kind) == ["a.mp4", "c\n.mp4", "b.mp4"]
    assert unmask(*words, "--resume").returncode == 1
    assert scanned == ["b.mp4"]
    assert unmask(*words).returncode == 1
    assert len(scanned) == 4


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_a_run_that_goes_on_knows_why_files_failed(
    unmask: Command, scanned: list[str], kind: str
) -> None:
    write({"a.mp4": "bad", "b.mp4": "bad"})
    for _ in range(2):
        done = unmask("scan", "a.mp4", "b.mp4", f"--{kind}", "out", "--resume")
        assert done.returncode == 2
    assert len(scanned) == 2


def test_a_store_keeps_the_case_in_its_pages_and_json(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.9"})
    unmask("scan", "a.mp4", "-o", "r", "--case", "no. 7", "--analyst", "A. Nalyst")
    done = unmask("results", "r", "--report", "r.html", "--report-dir", "pages", "--json", "-")
    assert json.loads(done.stdout)["examination"]["case"] == "no. 7"
    (page,) = Path("pages/pages").glob("*.html")
    for text in (page.read_text(), Path("r.html").read_text()):
        assert "<bdi>no. 7</bdi>" in text
        assert "<bdi>A. Nalyst</bdi>" in text


@pytest.mark.parametrize("options", [(), ("--no-pages",)])
def test_a_report_has_all_files_as_that_of_a_scan(
    unmask: Command, scanned: list[str], options: tuple[str, ...]
) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9", "c.mp4": "bad"})
    unmask("scan", "a.mp4", "b.mp4", "c.mp4", "-o", "r", *options)
    unmask("results", "r", "--report", "all.html")
    unmask("scan", "a.mp4", "b.mp4", "c.mp4", "--report", "scan.html")
    ours, scans = (Path(name).read_text() for name in ("all.html", "scan.html"))
    assert headings(ours) == headings(scans)
    ids = re.findall(r' id="([^"]+)"', ours)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', ours)} <= set(ids)
    unmask("results", "r", "--above", "0.7", "--report", "some.html")
    assert "a.mp4" not in Path("some.html").read_text()


def headings(page: str) -> list[str]:
    """Return the headings of a page with their levels."""
    return re.findall(r"<h[1-6][^>]*>", re.sub(r' id="[^"]*"', "", page))


def test_of_many_files_a_report_has_pages_of_their_own(unmask: Command, scanned: list[str]) -> None:
    names = [f"{number}.mp4" for number in range(11)]
    write({name: str(number / 20) for number, name in enumerate(names)})
    unmask("scan", *names, "-o", "r")
    unmask("results", "r", "--report", "all.html")
    links = re.findall(r'href="(all-files/[^"#]+)"', Path("all.html").read_text())
    assert len(set(links)) == 11
    assert all(Path(link).is_file() for link in links)


def paths_in(kind: str) -> list[str]:
    """Return the paths in a file of lines, in order."""
    if kind == "csv":
        with Path("out").open(newline="") as file:
            return [row["path"] for row in csv.DictReader(file)]
    documents = [json.loads(line) for line in Path("out").read_text().splitlines()]
    return [
        each["results"][0]["video"]["path"] if each["results"] else each["failures"][0]["path"]
        for each in documents
    ]


def test_a_file_of_something_else_is_not_gone_on_with(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2"})
    for kind in ("ndjson", "csv"):
        Path("notes").write_text("my notes\nmore of them\n")
        done = unmask("scan", "a.mp4", f"--{kind}", "notes", "--resume")
        assert (done.returncode, "line 1 of 'notes' is no result" in done.stderr) == (2, True)
        assert Path("notes").read_text() == "my notes\nmore of them\n"


def test_a_line_that_finds_no_room_is_not_left_half_written(
    unmask: Command, scanned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9"})
    unmask("scan", "a.mp4", "--ndjson", "out")
    written = os.write
    room = [Path("out").stat().st_size * 3 // 2]

    def write_some(descriptor: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = min(len(data), room[0])
        room[0] -= count
        return written(descriptor, data[:count])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_some)
        done = unmask("scan", "a.mp4", "b.mp4", "--ndjson", "out")
    assert done.returncode == 1
    assert "'out' could not be written: No space left" in done.stderr
    (line,) = Path("out").read_text().splitlines()
    assert json.loads(line)["results"][0]["video"]["path"] == "a.mp4"


def test_one_line_a_file_tells_how_far_a_run_is(unmask: Command, scanned: list[str]) -> None:
    write({"a.mp4": "0.2", "b.mp4": "0.9"})
    done = unmask("scan", "a.mp4", "b.mp4", "-o", "r", "--log-file", "log")
    assert [line.split(", ")[0] for line in done.stderr.splitlines()[:2]] == [
        "1 of 2",
        "2 of 2 in 0 s: b.mp4",
    ]
    log = Path("log").read_text().splitlines()
    assert all(line[:2] == "20" and "+00:00 " in line for line in log)
    assert any("b.mp4: substantial evidence, 0.9" in line for line in log)
    done = unmask("scan", "a.mp4", "b.mp4", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize(
    ("words", "held"),
    [(("-o", "r"), 2), (("--ndjson", "out"), 2), (("--csv", "out"), 2), (("--json", "out"), 20)],
)
def test_a_run_holds_no_result_that_it_has_written(
    unmask: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], held: int
) -> None:
    """`--json` is the control: it is made at the end, from all of them."""
    alive: list[weakref.ref[VideoInfo]] = []
    most: list[int] = []

    def scan_all(paths: Sequence[str], *_: object, **__: object) -> Iterator[tuple[int, Scan]]:
        for place, path in enumerate(paths):
            record = scan_record(path)
            alive.append(weakref.ref(record.video))
            yield place, Scan(record, ())
            gc.collect()
            most.append(sum(each() is not None for each in alive))

    names = [f"{number}.mp4" for number in range(20)]
    write({name: name for name in names})
    monkeypatch.setattr(scan, "scan_all", scan_all)
    unmask("scan", *names, *words)
    assert held - 2 <= most[-1] <= held


@pytest.mark.system
def test_kill_9_of_a_scan_at_any_time_costs_no_row_and_doubles_none(tmp_path: Path) -> None:
    names = [f"{number}.mp4" for number in range(12)]
    for number, name in enumerate(names):
        content = (EXAMPLES / "original.mp4").read_bytes()
        (tmp_path / name).write_bytes(content + b"\0\0\0\x08free" * number)
    program = "from unmask.cli import main; main()"
    words = [sys.executable, "-c", program, "scan", *names, "--triage", "--no-pages", "-o", "r"]
    draw = random.Random(7)  # noqa: S311 - when to kill it
    for _ in range(8):
        process = subprocess.Popen(words, cwd=tmp_path, start_new_session=True)
        time.sleep(draw.uniform(0.5, 6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr  # a triage is never all
    rows = [
        row["path"]
        for shard in (tmp_path / "r" / "shards").iterdir()
        for row in pq.read_table(shard / "files.parquet").to_pylist()
    ]
    assert sorted(rows) == sorted(names)
