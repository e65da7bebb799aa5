"""Texts of bundles, tables and errors that would move the cursor, hide or forge what is printed."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="data sets need the extra `data`")
pytest.importorskip("sklearn", reason="evaluation needs the extra `evaluation`")

from bundles import manifest, write_bundle
from commands import Command, Done
from predicted import changed, drawn, info
from store_rows import INFO, crop_row
from toy_crops import picture
from toy_set import record
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.core.errors import BundleError, UnmaskError
from unmask.core.text import one_line
from unmask.crops.rows import Status, VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord, write_manifest
from unmask.evaluation.predictions import to_table, write_predictions

EVIL = "\x1b[2J\x1b]0;x\x07\u202egpj.\u2066\x00\x9b31m\r\nerror: forged\x7f"
LONG = "n" * 100_000


def require_shown(done: Done) -> None:
    """Fail on a character that does not show itself, on a forged line and on a line without end."""
    text = f"{done.stdout}\n{done.stderr}"
    for line in text.split("\n"):
        hidden = [char for char in line if unicodedata.category(char)[0] in "CZ" and char != " "]
        assert [char for char in hidden if char not in "\t\u00a0"] == [], line[:300]
        assert not line.startswith("error: forged")
        assert len(line) < 6000, len(line)
    assert "Traceback" not in text


@pytest.fixture
def store(tmp_path: Path) -> Path:
    described = replace(
        INFO, dataset=EVIL, licence=EVIL, protocol=EVIL, leaks=True, leak_reason=EVIL
    )
    with open_for_writing(tmp_path / "store", described) as opened:
        ends: dict[str, Status] = {f"a{EVIL}": "done", f"b{EVIL}{LONG}": "failed"}
        for name, status in ends.items():
            row = record(name, split="train", target=EVIL, compression=EVIL)
            done = status == "done"
            crops = (crop_row(name, 0, picture(1, fake=False, side=8)),) if done else ()
            why = None if done else EVIL + LONG
            line = VideoCoverage.of(row, status, crops=len(crops), reason=why)
            opened.add(VideoCrops(line, crops))
    return tmp_path / "store"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.parquet"
    described = ManifestInfo(EVIL, "/data", EVIL, EVIL, leaks=True, leak_reason=EVIL)
    names = [f"{n}{EVIL}.mp4" for n in range(4)] + [f"{LONG}.mp4"]
    records = tuple(
        VideoRecord(name, EVIL, "real", split="train", target=EVIL, method=None) for name in names
    )
    write_manifest(Manifest(described, tuple(sorted(records, key=lambda r: r.id))), path)
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "p.parquet"
    rows = [
        changed(row, method=row.crop.method and EVIL + LONG, compression=EVIL)
        for row in drawn(40, 2)
    ]
    text = info(detector=EVIL, data=EVIL, licence=EVIL, protocol=EVIL, leaks=True, leak_reason=EVIL)
    write_predictions(text, to_table(rows), path)
    return path


def test_what_is_printed_of_a_crop_store(unmask: Command, store: Path) -> None:
    require_shown(unmask("data", "stats", store))
    require_shown(unmask("data", "sheet", store, "-o", "sheet.png"))


def test_what_is_printed_of_a_manifest(unmask: Command, rows: Path) -> None:
    for words in (("verify", rows), ("audit", rows), ("crops", rows, "-o", "c")):
        require_shown(unmask("data", *words))
    require_shown(unmask("data", "split", rows, "--protocol", "video", "-o", "s.parquet"))


def test_what_is_printed_of_predictions(unmask: Command, scores: Path, tmp_path: Path) -> None:
    done = unmask("evaluate", scores, "--report", "page.html", "--seed", "1")
    require_shown(done)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(char not in page for char in "\x1b\x00\x07\x9b\x7f\u202e\u2066")
    assert "⟨U+202E⟩" in page
    require_shown(unmask("evaluate", scores, "--table", "markdown", "--seed", "1"))
    require_shown(unmask("compare", scores, scores))


@pytest.mark.parametrize("field", ["name", "backbone", "licence", "training_data"])
def test_a_bundle_with_hidden_characters_is_refused(tmp_path: Path, field: str) -> None:
    folder = write_bundle(tmp_path / "tiny").folder
    changed = json.loads((folder / MANIFEST).read_text()) | {field: EVIL}
    (folder / MANIFEST).write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(BundleError, match="characters that cannot be shown") as caught:
        load_bundle(folder)
    assert "\x1b" not in caught.value.message


def test_a_bundle_with_a_text_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="or of more than 10000"):
        write_bundle(tmp_path / "tiny", limits=["n" * 10_001])


def test_a_bundle_whose_manifest_holds_evil_names_is_refused_on_one_line(
    unmask: Command, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "tiny").folder
    plain = json.loads((folder / MANIFEST).read_text())
    for changes in ({EVIL: 1}, {"files": {EVIL: "0" * 64}}, {"bundle_version": EVIL + LONG}):
        (folder / MANIFEST).write_text(json.dumps(plain | changes), encoding="utf-8")
        done = unmask("detectors", "show", folder)
        require_shown(done)
        assert done.returncode == 2


def test_errors_that_name_files_show_every_character(unmask: Command, tmp_path: Path) -> None:
    evil = EVIL.replace("\x00", "").replace("/", "")
    for words in (
        ("scan", evil),
        ("data", "verify", evil),
        ("evaluate", evil),
        ("detectors", "show", evil),
        ("train", evil, "--data", evil),
    ):
        done = unmask(*words)
        require_shown(done)
        assert done.returncode == 2


def test_one_line_cuts_in_the_middle() -> None:
    assert one_line(f"a\n{LONG}\x1bz", 100).startswith("a nnn")
    assert one_line(f"a\n{LONG}\x1bz", 100).endswith("n⟨U+001B⟩z")


def test_an_error_of_the_library_keeps_its_text() -> None:
    assert str(UnmaskError(EVIL, hint="x")) == EVIL
    assert manifest().name == "tiny"
