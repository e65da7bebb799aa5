"""A full disk: the file is named, the exit code is 3, and nothing is torn or left half written."""

# ruff: noqa: E402 - imports wait for the check that the packages are there

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

for package in ("pyarrow", "sklearn"):
    pytest.importorskip(package, reason=f"needs {package} (extra `evaluation`)")

from alone import in_one_process
from bundles import write_bundle
from commands import Command
from predicted import drawn, info
from store_rows import INFO, crop_row
from toy_crops import picture, write_toy_crops
from toy_set import record
from unmask.bundle.detector import Detector
from unmask.crops.rows import VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord, write_manifest
from unmask.evaluation.predictions import to_table, write_predictions

EXAMPLE = Path(__file__).parents[2] / "examples" / "forged.mp4"
OLD = b"what was there before"
TINY = ("network.backbone=test_resnet", "network.weights=null", "network.size_px=32", "epochs=1")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an input of each kind."""
    root = tmp_path_factory.mktemp("given")
    shutil.copy(EXAMPLE, root / "a.mp4")
    write_toy_crops(root / "crops.parquet", families=8)
    write_predictions(info(), to_table(drawn(12, 1)), root / "p.parquet")
    (root / "scores.csv").write_text("v,l,s\na,real,0.1\nb,fake,0.9\n")
    (root / "list.csv").write_text("path,label\na.mp4,fake\n")
    rows = tuple(
        VideoRecord(f"{n}.mp4", "toy", label, target=f"toy/{n}")
        for n, label in enumerate(("real", "fake") * 6)
    )
    described = ManifestInfo("toy", str(root), "invented")
    write_manifest(Manifest(described, tuple(sorted(rows, key=lambda r: r.id))), root / "m.parquet")
    one = (VideoRecord("a.mp4", "toy", "fake"),)
    write_manifest(Manifest(described, one), root / "one.parquet")
    with open_for_writing(root / "store", INFO) as opened:
        crops = tuple(crop_row("a", n, picture(n, fake=False)) for n in range(3))
        opened.add(VideoCrops(VideoCoverage.of(record("a"), "done", crops=3), crops))
    write_bundle(root / "tiny")
    return root


class SmallDisk:
    """A disk of its own, small, that a real full disk can be made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))


class FailingFlush:
    """Any disk, and the last step of writing fails as on a full one."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch

    def fill(self) -> None:
        def fail(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self._patch.setattr(os, "fsync", fail)


@pytest.fixture(params=[SmallDisk, FailingFlush])
def disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallDisk | FailingFlush]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param is FailingFlush:
        yield FailingFlush(folder, monkeypatch)
        return
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "unmask-test", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


COMMANDS = {
    "r.json": ("scan", "a.mp4", "--no-explain", "--json", "OUT"),
    "r.html": ("scan", "a.mp4", "--report", "OUT"),
    "sheet.png": ("keyframes", "a.mp4", "--sheet", "OUT"),
    "film.mp4": ("explain", "a.mp4", "--video", "OUT"),
    "index.parquet": ("data", "index", "table", "list.csv", "-o", "OUT"),
    "split.parquet": ("data", "split", "m.parquet", "--protocol", "video", "-o", "OUT"),
    "hashed.parquet": ("data", "verify", "one.parquet", "--hash", "-o", "OUT"),
    "plot.png": ("data", "stats", "store", "--plot", "OUT"),
    "crops.png": ("data", "sheet", "store", "-o", "OUT"),
    "s.parquet": (
        *("scores", "scores.csv", "--columns", "video_id=v,label=l,probability=s"),
        *("--detector", "x", "-o", "OUT"),
    ),
    "e.html": ("evaluate", "p.parquet", "--report", "OUT"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told_with_the_file_and_leaves_what_was_there(
    unmask: Command,
    given: Path,
    disk: SmallDisk | FailingFlush,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    (disk.folder / name).write_bytes(OLD)
    disk.fill()
    monkeypatch.chdir(given)
    target = str(disk.folder / name)
    with in_one_process():
        done = unmask(*(target if word == "OUT" else word for word in COMMANDS[name]))
    finds = COMMANDS[name][0] == "scan"  # a finding stands whatever else went wrong
    assert done.returncode == (1 if finds else 3), done.stderr
    assert f"{target!r} could not be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (disk.folder / name).read_bytes() == OLD
    assert {path.name for path in disk.folder.iterdir()} <= {name, "filler"}


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "a.mp4", "-o", "OUT"),
        ("scan", "a.mp4", "-o", "OUT"),
        ("data", "crops", "one.parquet", "-o", "OUT"),
        ("data", "synth", "wilddeepfake", "-o", "OUT"),
        ("predict", "tiny", "crops.parquet", "-o", "OUT"),
        ("train", "paper-xception", "--data", "crops.parquet", "--set", *TINY, "-o", "OUT"),
        ("export", "run", "-o", "OUT"),
    ],
)
def test_a_full_disk_ends_what_fills_a_folder_with_code_3(
    unmask: Command,
    given: Path,
    disk: SmallDisk | FailingFlush,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(given)
    if words[1] == "synth" and isinstance(disk, FailingFlush):
        pytest.skip("it flushes nothing: its folder gets its name at the end")
    if words[0] in ("train", "export"):
        pytest.importorskip("lightning", reason="needs the extra `train`")
    if words[0] == "export" and not Path("run").exists():
        train = ("train", "paper-xception", "--data", "crops.parquet", "--set", *TINY, "-o", "run")
        assert unmask(*train).returncode == 0
    target = str(disk.folder / "out")
    disk.fill()
    with in_one_process():
        done = unmask(*(target if word == "OUT" else word for word in words))
    assert done.returncode == 3, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    left = [path for path in disk.folder.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"filler", ".lock", ".readers", "store.json", "run.json"}


def test_a_full_disk_behind_standard_output_is_told(given: Path) -> None:
    program = "from unmask.cli import main; main()"
    command = [sys.executable, "-c", program, "schema"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=given
        )
    assert done.returncode == 3, done.stderr
    assert "standard output could not be written: No space left" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_detector_is_saved_whole_or_not_at_all(tmp_path: Path, given: Path) -> None:
    def fail(_: Path, to: Path) -> None:
        Path(to).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    detector = Detector.from_pretrained(given / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unmask.bundle.detector.shutil.copyfile", fail)
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/new'"):
            detector.save(tmp_path / "new")
    assert [*tmp_path.iterdir()] == []


def test_a_closed_terminal_stops_a_scan_that_keeps_what_is_finished(
    given: Path, tmp_path: Path
) -> None:
    """With a real terminal: what is written to it after it is gone is an error."""
    (tmp_path / "list.txt").write_text("".join(f"{n}.mp4\n" for n in range(60)))
    for n in range(60):
        (tmp_path / f"{n}.mp4").symlink_to(given / "a.mp4")
    program = (
        "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "from unmask.cli import main; main()"
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, "scan", "list.txt", "--no-explain", "--json", "r.json"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    text = b""
    # the first file is finished: a verdict, and no stage of the progress bar
    while not (b"cannot judge" in text or b"probability" in text):
        text += os.read(ours, 4096)
    os.close(ours)  # the terminal is gone
    assert process.wait(60) == 130
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["results"]
    assert "the run was stopped" in document["failures"][-1]["error"]
