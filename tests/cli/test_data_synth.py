"""`unmask data synth` as a user meets it."""

from __future__ import annotations

from functools import partial

import pytest

from unmask.datasets.layouts import LAYOUTS
from unmask.datasets.synth import SYNTH


@pytest.fixture
def unmask(unmask):
    """Return a function that runs `unmask data`."""
    return partial(unmask, "data")


def test_every_layout_can_be_made():
    assert set(SYNTH) == set(LAYOUTS)


def test_what_is_made_can_be_indexed_and_is_counted(unmask, tmp_path):
    folder = tmp_path / "new" / "toy"
    done = unmask("synth", "uadfv", "-o", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert done.stdout.startswith(f"uadfv: {len(files)} files, ")
    indexed = unmask("index", "uadfv", str(folder), "-o", str(tmp_path / "m.parquet"))
    assert f"{len(files)} rows written" in indexed.stdout


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    result = {}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        SYNTH["crops"](tmp_path / name, seed)
        result[name] = (tmp_path / name / "crops.parquet").read_bytes()
    assert result["a"] == result["b"] != result["c"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("uadfv", "-o", "full"), "error: 'full' is not empty, it holds 'mine.txt'\nhint: "),
        (("uadfv", "-o", "full/mine.txt"), "error: 'full/mine.txt' is a file\nhint: "),
        (("nosuch", "-o", "new"), "error: nothing to make for 'nosuch'; layouts: ffpp, "),
        (("uadfv", "-o", "new", "--seed", "-1"), "error: Invalid value for '--seed'"),
    ],
)
def test_wrong_use_ends_with_code_2_and_touches_nothing(unmask, tmp_path, words, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    done = unmask("synth", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]
