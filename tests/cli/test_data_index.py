"""`unmask data layouts | index | verify` as a user meets them: output, hints, exit codes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from clips import write_clip
from commands import Command, Done
from toy_crops import write_toy_crops
from trees import touch
from unmask.datasets.layouts import LAYOUTS, layout
from unmask.datasets.manifest import read_manifest

REALS = "original_sequences/youtube/c23/videos"
FAKE = "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"


@pytest.fixture
def unmask(unmask: Command) -> Command:
    """Return a function that runs `unmask data`."""
    return partial(unmask, "data")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny data set `ffpp` and its manifest `m.parquet`."""
    folder = tmp_path_factory.mktemp("indexed")
    for frames, path in enumerate((f"{REALS}/000.mp4", f"{REALS}/003.mp4", FAKE), start=4):
        (folder / "ffpp" / path).parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder / "ffpp" / path, frames=frames)
    words = ("data", "index", "ffpp", folder / "ffpp", "-o", folder / "m.parquet")
    program = "from unmask.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True)
    return folder


@pytest.fixture
def copy(indexed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(indexed, tmp_path / "copy"))


def verify(unmask: Command, folder: Path, *words: str) -> Done:
    return unmask("verify", str(folder / "m.parquet"), "--root", str(folder / "ffpp"), *words)


def test_a_manifest_takes_the_place_of_another_and_of_no_table_of_crops(
    unmask: Command, tmp_path: Path
) -> None:
    (tmp_path / "toy").mkdir()
    table = write_toy_crops(tmp_path / "toy" / "crops.parquet", families=1)
    before = table.read_bytes()
    words = ("index", "crops", str(table.parent), "-o")
    assert [unmask(*words, str(tmp_path / "m.parquet")).returncode for _ in range(2)] == [0, 0]
    refused = unmask(*words, str(table))
    assert refused.returncode == 2
    assert "is an input" in refused.stderr
    assert table.read_bytes() == before


def test_layouts_are_listed_a_line_each(unmask: Command) -> None:
    lines = unmask("layouts").stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : len(LAYOUTS) + 1]] == list(LAYOUTS)


def test_a_layout_is_shown_in_full(unmask: Command) -> None:
    shown = unmask("layouts", "celebdf-v2").stdout
    described = layout("celebdf-v2")
    for line in described.tree.splitlines():
        assert f"  {line}" in shown
    joined = " ".join(shown.split())
    for text in (described.title, described.licence, described.where, *described.facts):
        assert text in joined
    assert "5639 Celeb-synthesis" in joined


def test_layouts_as_json_hold_what_is_known(unmask: Command) -> None:
    document = json.loads(unmask("layouts", "--json").stdout)
    assert document["version"] == 1
    assert [each["name"] for each in document["layouts"]] == list(LAYOUTS)
    for each in document["layouts"]:
        assert {"title", "tree", "expected", "facts", "licence", "where"} <= set(each)
    (first,) = json.loads(unmask("layouts", "ffpp", "--json").stdout)["layouts"]
    assert first["expected"][0] == {
        "count": 1000, "label": "real", "method": None, "split": None, "part": "youtube",
    }  # fmt: skip


def test_index_counts_rows_and_writes_them(unmask: Command, indexed: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.parquet"
    done = unmask("index", "ffpp", str(indexed / "ffpp"), "-o", str(out))
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["label", "method", "part", "compression", "split", "rows"]
    assert ["fake", "Deepfakes", "youtube", "c23", "-", "1"] in lines
    assert ["real", "-", "youtube", "c23", "-", "2"] in lines
    assert done.stderr.startswith("warning: no train.json, val.json, test.json")
    manifest = read_manifest(out)
    assert (len(manifest), manifest.info.dataset) == (3, "ffpp")
    assert manifest.info.root == str(indexed / "ffpp")
    assert manifest.info.warnings[0] in done.stderr


def test_index_names_the_first_ten_files_that_it_could_not_place(
    unmask: Command, tmp_path: Path
) -> None:
    root = touch(tmp_path / "ffpp", f"{REALS}/000.mp4", *(f"x/{n:02d}.mp4" for n in range(13)))
    done = unmask("index", "ffpp", str(root), "-o", str(tmp_path / "m.parquet"))
    assert "not placed: 13\n  x/00.mp4: not in the folders" in done.stdout
    assert "  x/09.mp4" in done.stdout
    assert "  x/10.mp4" not in done.stdout
    assert "  ... and 3 more" in done.stdout


def test_names_cannot_steer_the_terminal(unmask: Command, tmp_path: Path) -> None:
    root = touch(tmp_path / "ffpp", f"{REALS}/000.mp4", "x/\x1b[31mred.mp4")
    done = unmask("index", "ffpp", str(root), "-o", str(tmp_path / "m.parquet"))
    assert "red.mp4" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("index", "nope", ".", "-o", "m.parquet"), "unknown layout 'nope'; known: ffpp"),
        (("index", "ffpp", "/absent", "-o", "m.parquet"), "no folder '/absent'"),
        (("index", "ffpp", ".", "-o", "/absent/m.parquet"), "no folder '/absent' to write"),
        (("index", "ffpp", "."), "Missing option '-o'"),
        (("layouts", "nope"), "unknown layout 'nope'"),
        (("verify", "/absent.parquet"), "no manifest '/absent.parquet'"),
        (("verify", __file__), "is not a Parquet file"),
    ],
)
def test_wrong_use_ends_with_a_message_a_hint_and_code_2(
    unmask: Command, words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = unmask(*words)
    error, hint = done.stderr.splitlines()
    assert message in error
    assert (hint[:6], done.returncode, done.stdout) == ("hint: ", 2, "")


def test_a_folder_without_a_fit_leaves_no_manifest(unmask: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = unmask("index", "ffpp", str(tmp_path / "empty"), "-o", str(tmp_path / "m.parquet"))
    assert done.returncode == 2
    assert "hint: compare the folder with what `unmask data layouts ffpp` shows" in done.stderr
    assert not (tmp_path / "m.parquet").exists()


def test_a_part_of_a_data_set_as_it_should_be_ends_with_0(unmask: Command, indexed: Path) -> None:
    done = verify(unmask, indexed, "--no-counts")
    assert (done.stdout, done.returncode) == ("3 rows, files opened: all as it should be\n", 0)


def test_a_part_of_a_data_set_is_not_the_whole_of_it(unmask: Command, indexed: Path) -> None:
    done = verify(unmask, indexed, "--no-open")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["real", "youtube", "c23", "2", "1000", "short"] in lines
    assert ["FaceShifter", "-", "0", "1000", "absent"] in lines
    assert done.stderr == "hint: is only a part of the data set wanted? then add --no-counts\n"
    assert done.returncode == 1


def test_a_missing_and_an_extra_file_are_named_and_end_with_1(unmask: Command, copy: Path) -> None:
    (copy / "ffpp" / FAKE).rename(copy / "ffpp/moved.mp4")
    done = verify(unmask, copy, "--no-counts", "--no-open")
    assert f"missing: 1\n  {FAKE}: not there" in done.stdout
    assert "files that no row names: 1\n  moved.mp4" in done.stdout
    assert done.returncode == 1


def test_an_unreadable_file_alone_ends_with_3(unmask: Command, copy: Path) -> None:
    (copy / "ffpp" / FAKE).write_bytes(b"no video")
    done = verify(unmask, copy, "--no-counts")
    assert f"unreadable: 1\n  {FAKE}: " in done.stdout
    assert done.returncode == 3


def test_hashes_are_written_and_duplicates_are_named(
    unmask: Command, copy: Path, tmp_path: Path
) -> None:
    shutil.copy(copy / "ffpp" / REALS / "000.mp4", copy / "ffpp" / REALS / "003.mp4")
    out = tmp_path / "hashed.parquet"
    done = verify(unmask, copy, "--no-counts", "--no-open", "--hash", "-o", str(out))
    assert f"the same bytes: 1\n  {REALS}/000.mp4 = {REALS}/003.mp4" in done.stdout
    assert f"manifest with sizes and hashes written to {out}" in done.stdout
    assert done.returncode == 1
    for row in read_manifest(out).records:
        data = (copy / "ffpp" / row.id).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()


def test_the_modules_of_the_commands_wait_with_heavy_imports() -> None:
    code = (
        "import sys, unmask.cli.app; "
        "print(sorted({'pyarrow', 'av', 'numpy', 'torch', 'rich.progress'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
