"""`predict`, `scores`, `evaluate`, `compare`, `calibrate`, `card` as a user meets them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from bundles import write_bundle
from predicted import changed, drawn, info, row
from toy_crops import write_toy_crops
from unmask.bundle.manifest import load_bundle
from unmask.cli import main
from unmask.cli.runs.evaluation import parse_costs
from unmask.cli.stress import stress
from unmask.evaluation.metrics import CostMatrix
from unmask.evaluation.predictions import read_predictions, to_table, write_predictions
from unmask.scanner.distortions import DISTORTIONS


@dataclass(frozen=True)
class Done:
    code: int | str | None
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *words: str | Path) -> Done: ...


@pytest.fixture
def unmask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["unmask", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return run


def write(path: Path, count: int = 60, *, failures: int = 0, seed: int = 0, **told: object) -> None:
    rows = drawn(count, 2, failures=failures, seed=seed)
    write_predictions(info(**told), to_table(rows), path)


def test_scores_of_another_program_are_evaluated(unmask: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"v{n},{n % 2},{rng.normal(n % 2):.3f}" for n in range(80)]
    (tmp_path / "s.csv").write_text("file,y,z\n" + "\n".join(lines) + "\n")
    done = unmask(
        "scores", "s.csv", "--columns", "video_id=file,label=y,logit=z", "--detector", "theirs",
        "-o", "p.parquet",
    )  # fmt: skip
    assert (done.code, done.out) == (
        0, "p.parquet: 80 rows; videos: 80 done, 0 empty, 0 failed\n",
    )  # fmt: skip
    done = unmask("evaluate", "p.parquet", "--replicates", "20", "--report", "e.html")
    assert done.code == 0
    assert done.out.startswith("theirs on not named, per video\nprotocol: not split\n")
    assert "\nAUC " in done.out
    assert "warning: no calibration is known" in done.err
    assert (tmp_path / "e.html").read_text().startswith("<!doctype html>")


def test_several_files_are_folds(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 60)
    other = [changed(r, video_id=f"w{r.crop.video_id}") for r in drawn(60, 2, failures=6)]
    write_predictions(info(), to_table(other), tmp_path / "b.parquet")
    done = unmask("evaluate", "a.parquet", "b.parquet", "--replicates", "5", "--json", "f.json")
    assert done.code == 3
    columns = ["figure", "a", "b", "mean, analysed", "mean, failures count against it"]
    header = next(line for line in done.out.splitlines() if line.startswith("figure"))
    assert re.split("  +", header.strip()) == columns
    result = json.loads((tmp_path / "f.json").read_text())
    assert (len(result["folds"]), len(result["means"])) == (2, 2)
    page = unmask("evaluate", "a.parquet", "b.parquet", "--report", "e.html")
    assert (page.code, "--report and --table take one predictions file" in page.err) == (2, True)


def test_low_coverage_ends_with_code_3(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path / "p.parquet", failures=6)
    done = unmask("evaluate", "p.parquet", "--replicates", "5")
    assert done.code == 3
    assert "54 of 60 videos were analysed (90.0%)" in done.err
    assert "failures count against it" in done.out
    allowed = unmask("evaluate", "p.parquet", "--replicates", "5", "--min-coverage", "0.9")
    assert allowed.code == 0


def test_a_leak_stands_beside_each_number(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path / "p.parquet", leaks=True, protocol="paper-frame-split", leak_reason="frames")
    done = unmask("evaluate", "p.parquet", "--replicates", "5")
    assert "protocol: paper-frame-split LEAKS" in done.out
    figures = [line for line in done.out.splitlines() if "[" in line]
    assert len(figures) > 20
    assert all("LEAKS" in line for line in figures)


def test_figures_are_printed_as_json_and_tables(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path / "p.parquet")
    done = unmask("evaluate", "p.parquet", "--replicates", "5", "--json", "-")
    result = json.loads(done.out)
    assert result["version"] == "1"
    assert result["groups"][0]["figures"][0]["name"] == "AUC"
    assert result["coverage"]["share"] == 1
    assert "| AUC |" in unmask("evaluate", "p.parquet", "--table", "markdown").out
    assert r"\begin{tabular}" in unmask("evaluate", "p.parquet", "--table", "latex").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "none.parquet"), "no predictions file"),
        (("evaluate", "p.parquet", "--level", "face"), "level must be one of crop, track, video"),
        (("evaluate", "p.parquet", "--aggregation", "sum"), "aggregation must be one of mean"),
        (("evaluate", "p.parquet", "--threshold", "strict"), "no operating point 'strict'"),
        (("evaluate", "p.parquet", "--cost", "ten"), "--cost takes FALSE-ALARM:MISS"),
        (("evaluate", "p.parquet", "--split", "all"), "--split must be one of train"),
        (("evaluate", "p.parquet", "--split", "train"), "no row is of the split train"),
        (("evaluate", "p.parquet", "--report", "no/e.html"), "no folder 'no'"),
        (("evaluate", "p.parquet", "--table", "word"), "--table must be one of markdown, latex"),
        (("predict", "none", "p.parquet", "-o", "o.parquet"), "no detector 'none'"),
        (("predict", "default", "p.parquet", "-o", "o.parquet"), "is a table, but not a manifest"),
        (
            ("predict", "default", "x", "-o", "o.parquet", "--split", "test", "--fold", "1"),
            "give --split or --fold, not both",
        ),
        (("predict", "default", "x", "-o", "no/o.parquet"), "no folder 'no'"),
        (("scores", "s.csv", "--columns", "a", "--detector", "d", "-o", "o"), "OURS=THEIRS"),
        (("calibrate", "p.parquet", "-o", "none"), "no detector bundle in 'none'"),
        (("calibrate", "none", "-o", ".", "--detector", "default"), "'.' exists"),
        (("compare", "p.parquet", "q.parquet"), "such as 'v060.mp4'"),
        (("card", "none"), "no detector 'none'"),
    ],
)
def test_wrong_use_ends_with_code_2_and_a_hint(
    unmask: Command, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    write(tmp_path / "p.parquet")
    write(tmp_path / "q.parquet", 62)
    done = unmask(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "default", "in", "-o", "in"),
        ("predict", "default", ".", "-o", "in"),
        ("stress", "default", ".", "-o", "in"),
        ("scores", "in", "--columns", "video_id=a", "--detector", "d", "-o", "in"),
        ("evaluate", "in", "--report", "in"),
        ("evaluate", "in", "--json", "./in"),
        ("evaluate", "in", "--report", "same", "--json", "same"),
        ("stress", "default", "in", "-o", "in"),
        ("stress", "default", "in", "--report", "in"),
        ("data", "index", "crops", "in", "-o", "in"),
        ("data", "split", "in", "--protocol", "video", "-o", "in"),
        ("data", "sheet", ".", "-o", "in"),
        ("data", "stats", ".", "--plot", "in"),
        ("study", "report", ".", "-o", "same", "--markdown", "same"),
    ],
)
def test_no_output_replaces_an_input_or_another_output(
    unmask: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "in").write_bytes(b"kept")
    done = unmask(*words)
    assert (done.code, done.out) == (2, "")
    assert "is an input" in done.err or "are the same file" in done.err
    assert (tmp_path / "in").read_bytes() == b"kept"
    assert not (tmp_path / "same").exists()


def test_two_detectors_are_compared(unmask: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", detector="one")
    write(tmp_path / "b.parquet", seed=1, detector="other")
    done = unmask("compare", "a.parquet", "b.parquet", "--replicates", "20")
    assert done.code == 0
    assert done.out.startswith("first: one, second: other\n30 real, 30 fake videos, 30 clusters")
    assert "DeLong, McNemar: not given" in done.out
    done = unmask("compare", "a.parquet", "b.parquet", "--replicates", "9", "--cluster", "video")
    assert "DeLong: difference of AUC" in done.out
    assert "McNemar: only the first right" in done.out


def test_a_leak_of_either_file_stands_beside_each_number_of_a_comparison(
    unmask: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", seed=1, leaks=True, protocol="paper-frame-split")
    for first, second in (("a.parquet", "b.parquet"), ("b.parquet", "a.parquet")):
        done = unmask("compare", first, second, "--replicates", "9", "--cluster", "video")
        figures = [line for line in done.out.splitlines() if "[" in line or "McNemar" in line]
        assert len(figures) > 10
        assert all("LEAKS" in line for line in figures)
    assert "LEAKS" not in unmask("compare", "a.parquet", "a.parquet", "--replicates", "9").out


def test_a_detector_is_calibrated_and_described(unmask: Command, tmp_path: Path) -> None:
    pytest.importorskip("lir", reason="needs the extra evaluation")
    bundle = write_bundle(tmp_path / "d")
    model = bundle.manifest.files["model.onnx"]
    write(tmp_path / "p.parquet", 240, model_sha256=model)
    refused = unmask("calibrate", "p.parquet", "-o", "d")
    assert "no row is of the split validation" in refused.err
    done = unmask("calibrate", "p.parquet", "-o", "d", "--all-rows", "--cost", "1:10")
    assert done.code == 0
    assert "cost 1:10" in done.out
    assert "Not promised for other" in done.out
    copied = unmask("calibrate", "p.parquet", "--detector", "d", "-o", "e", "--all-rows")
    assert copied.code == 0
    assert load_bundle(tmp_path / "e").manifest.likelihood is not None
    card = unmask("card", "e", "p.parquet", "--write")
    assert "| AUC per video |" in card.out
    assert (tmp_path / "e" / "README.md").read_text() == card.out
    assert load_bundle(tmp_path / "e").manifest.metrics[0].name == "AUC per video"


def test_a_card_tells_of_test_rows_as_the_detector_is_calibrated_now(
    unmask: Command, tmp_path: Path
) -> None:
    rates = {"false_positive_rate": 0.1, "true_positive_rate": 0.9}
    points = [{"name": name, "logit": 9.0, **rates} for name in ("balanced", "few-false-alarms")]
    bundle = write_bundle(tmp_path / "d", operating_points=points)
    model = bundle.manifest.files["model.onnx"]
    learned = [
        row(f"t{n}", ("real", "fake")[n % 2], (-9.0, 9.0)[n % 2], split="train") for n in range(60)
    ]
    then = info(model_sha256=model, settings={"threads": 1})
    write_predictions(then, to_table([*drawn(60, 2), *learned]), tmp_path / "p.parquet")
    write_predictions(then, to_table(learned), tmp_path / "t.parquet")

    card = unmask("card", "d", "p.parquet")
    assert "no calibration is known" not in card.err
    assert "split train" not in card.err
    assert "split test; analysed; n = 30 real and 30 fake videos" in card.out
    assert "| balanced accuracy per video | 0.500" in card.out  # nothing reaches 9 now
    for words in (("p.parquet", "--split", "train"), ("t.parquet",)):
        text = unmask("card", "d", *words)
        assert "warning: rows of the split train are among these" in text.err
    assert unmask("card", "d", "p.parquet", "--split", "half").code == 2


def test_costs_are_read_in_the_order_of_recipes() -> None:
    assert parse_costs("1:10", prior=0.2) == CostMatrix(miss=10, false_alarm=1, prior=0.2)


def test_crops_are_scored(unmask: Command, tmp_path: Path) -> None:
    from evaluation.test_inference import pictures

    write_bundle(tmp_path / "d")
    pictures(tmp_path / "c.parquet", broken=True)
    done = unmask("predict", "d", "c.parquet", "-o", "o.parquet")
    assert done.code == 3
    assert done.out == "o.parquet: 5 crops scored; videos: 5 done, 0 empty, 1 failed\n"
    assert "failed: c.parquet/c5: the picture cannot be decoded" in done.err
    assert len(read_predictions(tmp_path / "o.parquet")) == 6


def test_a_detector_is_stressed(unmask: Command, tmp_path: Path) -> None:
    write_bundle(tmp_path / "d")
    write_toy_crops(tmp_path / "c.parquet")
    done = unmask(
        "stress", "d", "c.parquet", "--only", "JPEG", "--only", "horizontal flip",
        "--replicates", "20", "--limit", "12", "--report", "s.html", "-o", "s.parquet",
    )  # fmt: skip
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "tiny on c.parquet, per video"
    assert lines[1].startswith("6 real, 6 fake; intervals over ")
    assert [line.split("  ")[0] for line in lines[3:]] == [
        "distortion", "none", *["JPEG"] * 4, "horizontal flip",
    ]  # fmt: skip
    assert (tmp_path / "s.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "s.parquet").is_file()


def test_wrong_use_of_stress_is_told_before_anything_is_scored(
    unmask: Command, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "d")
    write_toy_crops(tmp_path / "c.parquet", families=1)
    for words, text in (
        (("--only", "rain"), "no distortion 'rain'; there are: H.264"),
        (("--level", "frame"), "level must be one of crop, track, video, got 'frame'"),
        (("--report", "nowhere/s.html"), "no folder 'nowhere'"),
        (("--split", "test"), "a table of pictures is scored whole"),
    ):
        done = unmask("stress", "d", "c.parquet", *words)
        assert done.code == 2
        assert text in done.err
        assert not done.out


def test_the_help_of_stress_names_every_distortion() -> None:
    text = " ".join(str(stress.__doc__).split())
    assert [name for name in DISTORTIONS if name not in text] == []


def test_undecodable_crops_make_the_exit_code_of_stress_3(unmask: Command, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_bundle(tmp_path / "d")
    rows = pq.read_table(write_toy_crops(tmp_path / "c.parquet", families=2)).to_pylist()
    rows[0]["image"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    done = unmask("stress", "d", "c.parquet", "--only", "noise", "--replicates", "5")
    assert done.code == 3
    assert "warning: 1 crops could not be decoded" in done.err
