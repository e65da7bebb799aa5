"""Crops of fakes whose face may not be the forged one: no command takes them for fakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bundles import write_bundle
from store_rows import changed, crop_row, write_store
from toy_crops import picture
from unmask.bundle.manifest import load_bundle
from unmask.cli import main
from unmask.cli.runs.check_samples import samples_in
from unmask.crops.rows import CropRow
from unmask.evaluation.predictions import read_predictions

PAIRS = 50
LEFT_OUT = PAIRS + 1


def make_rows() -> list[CropRow]:
    """Return crops of reals, of fakes with one face that is forged and one that may not be, and of
    a fake of which no face is known to be forged."""
    rows = []
    for number in range(PAIRS):
        for label in ("real", "fake"):
            is_fake = label == "fake"
            image = picture(number, fake=is_fake)
            name = f"{label}{number:02d}.mp4"
            facts = {"label": label, "split": "validation", "target": f"toy/{number}"}
            for frame, forged in enumerate(("only-face", "uncertain")):
                flag = forged if is_fake else None
                rows.append(crop_row(name, frame, image, forged_face=flag, **facts))
    alone = {"label": "fake", "split": "validation", "forged_face": "uncertain"}
    return [*rows, crop_row("two-people.mp4", 0, picture(99, fake=True), **alone)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_bundle(tmp_path / "d")
    return write_store(tmp_path / "crops", make_rows())


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    sys.argv = ["unmask", *words]
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(autouse=True)
def _own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


SAID = f"{LEFT_OUT} crops of fakes are left out: their face may not be the forged one"


def test_predict_scores_none_of_them_and_says_how_many(
    store: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    code, out, err = run(capsys, "predict", "d", "crops", "-o", "p.parquet")
    assert f"{3 * PAIRS} crops scored; videos: {2 * PAIRS} done, 0 empty, 1 failed" in out
    assert "failed: two-people.mp4: no face of it is known to be the forged one" in err
    assert code == 3
    assert [SAID in message for message in caplog.messages] == [True]
    predictions = read_predictions("p.parquet")
    assert predictions.info.crops_left_out == LEFT_OUT
    assert int((predictions.is_fake & (predictions.words["status"] == "done")).sum()) == PAIRS


def test_predict_of_a_split_counts_those_of_that_split(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = make_rows()
    rows[-1] = changed(rows[-1], split="test")
    write_store(store.with_name("other"), rows)
    run(capsys, "predict", "d", "other", "--split", "validation", "-o", "p.parquet")
    assert read_predictions("p.parquet").info.crops_left_out == PAIRS


def test_evaluate_says_how_many(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "predict", "d", "crops", "-o", "p.parquet")
    words = ("--level", "crop", "--replicates", "5", "--json", "e.json")
    _, out, err = run(capsys, "evaluate", "p.parquet", *words)
    assert f"{2 * PAIRS} real, {PAIRS} fake; intervals" in out
    assert f"warning: {SAID}" in err
    described = json.loads(Path("e.json").read_text())
    assert described["info"]["crops_left_out"] == LEFT_OUT


def test_calibrate_learns_from_none_of_them_and_says_how_many(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "predict", "d", "crops", "-o", "p.parquet")
    code, _, err = run(capsys, "calibrate", "p.parquet", "-o", "d", "--level", "crop")
    assert code == 0, err
    assert f"warning: {SAID}" in err
    calibration = load_bundle("d").manifest.calibration
    assert calibration is not None
    assert f"{3 * PAIRS} crops of toy ({2 * PAIRS} real" in str(calibration.data)


def test_stress_distorts_none_of_them_and_says_how_many(
    store: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    words = ("--only", "noise", "--level", "crop", "--replicates", "5", "--report", "s.html")
    code, out, _ = run(capsys, "stress", "d", "crops", *words)
    assert code == 0
    assert f"{2 * PAIRS} real, {PAIRS} fake" in out
    assert f"<li>{SAID}</li>" in Path("s.html").read_text()
    assert [SAID in message for message in caplog.messages] == [True]


def test_maps_are_checked_on_none_of_them(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = samples_in(store, load_bundle("d"), masks=False, limit=None)
    assert [sample.label for sample in samples].count("fake") == PAIRS
    assert [SAID in message for message in caplog.messages] == [True]


def test_data_without_them_say_nothing(
    store: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    certain = [row for row in make_rows() if row.record.forged_face != "uncertain"]
    write_store(store.with_name("certain"), certain)
    code, _, _ = run(capsys, "predict", "d", "certain", "-o", "p.parquet")
    _, _, err = run(capsys, "evaluate", "p.parquet", "--replicates", "5")
    assert code == 0
    assert read_predictions("p.parquet").info.crops_left_out == 0
    assert "left out" not in caplog.text + err
