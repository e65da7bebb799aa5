"""Every study at the smallest scale: its cells are made, its answer, files and page are written."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

for package in ("torch", "lightning", "timm", "yaml", "tensorboard"):
    pytest.importorskip(package, reason=f"studies that train need {package} (extra `train`)")

import pyarrow.parquet as pq

from studies.tiny import TINY
from unmask.studies.catalogue import STUDIES
from unmask.studies.cells import Cache, Measured
from unmask.studies.engine import read_outcomes, run_study
from unmask.studies.experiments.consistency import explained_crops
from unmask.studies.page import to_html, to_markdown
from unmask.studies.request import StudyRequest
from unmask.studies.study import CellState
from unmask.studies.study_context import StudyContext
from unmask.studies.synthetic import ToyCrops
from unmask.training import checkpoints


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.missing: dict[str, int] = {}

    def study(self, name: str, cells: int, missing: int) -> None:
        self.missing[name] = missing

    def cell(self, name: str, number: int, state: CellState, *, new: bool) -> None:
        if new:
            self.made.append(state.key)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def world(folder: Path) -> StudyContext:
    return StudyContext(TINY, StudyRequest(device="cpu"), Cache(folder / "cells"))


@pytest.fixture(scope="module", autouse=True)
def _undrawn() -> object:
    """Runs of a few batches would spend most of their time on drawing their curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "draw_curves", lambda *_, **__: None)
        yield


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_answers_and_writes_its_files(name: str, world: StudyContext, folder: Path) -> None:
    outcome = run_study(STUDIES[name], world, folder / name, Notes())
    assert [cell for cell in outcome.cells if cell.state == "failed"] == []
    assert outcome.answer is not None, outcome.why_unanswered
    assert outcome.answer.text
    assert outcome.cannot_say
    assert outcome.data
    results = pq.read_table(folder / name / "results.parquet").to_pylist()
    assert len(results) == len(outcome.answer.results)
    assert any(row["low"] is not None and row["low"] <= row["high"] for row in results)
    cells = pq.read_table(folder / name / "cells.parquet").to_pylist()
    assert {row["state"] for row in cells} == {"done"}
    page = unescape((folder / name / "page.html").read_text())
    assert outcome.question in page
    assert "<svg" in page


def test_numbers_of_the_leaking_frame_split_are_marked_everywhere(
    world: StudyContext, folder: Path
) -> None:
    outcome = run_study(STUDIES["leak"], world, folder / "leak", Notes())
    assert outcome.answer is not None
    conditions = [
        row["condition"] for row in pq.read_table(folder / "leak/results.parquet").to_pylist()
    ]
    assert all(("frame" in name) == ("frame LEAKS" in name) for name in conditions)
    page = unescape((folder / "leak" / "page.html").read_text())
    rows = [line for line in page.splitlines() if line.startswith("<tr><td><bdi>frame")]
    assert len(rows) == 5
    assert all("frame LEAKS" in row for row in rows)
    assert ">frame LEAKS split<" in page
    assert " LEAKS against " in outcome.answer.text[0]
    tabled = [line for line in to_markdown([outcome]).splitlines() if line.startswith("| frame")]
    assert len(tabled) == 5
    assert all(line.startswith("| frame LEAKS") for line in tabled)


def test_few_crops_that_are_explained_are_of_many_films(
    tmp_path: Path,
) -> None:
    several = ToyCrops(persons=20, frames=4, methods=("swap",), size_px=32)
    limited = replace(TINY, toy_crops=several, test_crops=8, explained=8)
    context = StudyContext(limited, StudyRequest(device="cpu"), Cache(tmp_path))
    chosen = explained_crops(context)
    assert (len(chosen), chosen.reals) == (8, 4)
    assert len(set(chosen.names("target"))) > len(set(context.crops.sides.test.names("target")))


@pytest.mark.parametrize("name", ["class-weights", "leak", "frame-selection"])
def test_only_networks_that_were_trained_are_named(
    name: str, world: StudyContext, folder: Path
) -> None:
    settings = run_study(STUDIES[name], world, folder / name, Notes()).settings
    networks = world.scale.networks if name == "class-weights" else world.scale.networks[:1]
    assert settings["networks"] == ", ".join(networks)


def test_a_study_run_again_makes_no_cell(world: StudyContext, folder: Path) -> None:
    notes = Notes()
    again = StudyContext(TINY, StudyRequest(device="cpu"), world.cache)
    first = run_study(STUDIES["class-weights"], again, folder / "class-weights", Notes())
    second = run_study(STUDIES["class-weights"], again, folder / "class-weights", notes)
    assert (notes.made, notes.missing) == ([], {"class-weights": 0})
    assert first == second


def test_studies_share_the_cells_that_coincide(world: StudyContext) -> None:
    weights, methods = (
        {cell.key for cell in STUDIES[name].cells(world)}
        for name in ("class-weights", "imbalance-methods")
    )
    assert len(weights & methods) == 2  # without, and balanced


def test_studies_are_read_back_and_joined(world: StudyContext, folder: Path) -> None:
    for name in ("class-weights", "frame-selection"):
        run_study(STUDIES[name], world, folder / name, Notes())
    outcomes = read_outcomes(folder)
    names = [outcome.name for outcome in outcomes]
    assert {"class-weights", "frame-selection"} <= set(names)
    page = to_html(outcomes)
    assert all(f'id="{name}"' in page for name in names)
    text = to_markdown(outcomes)
    assert all(f"### {name}\n" in text for name in names)
    assert text.count("Does not show: ") >= len(names)


def test_a_cell_that_fails_is_noted_and_the_study_says_why(
    world: StudyContext, tmp_path: Path
) -> None:
    study = STUDIES["class-weights"]
    first, *others = study.cells(world)

    def divide(_: object) -> Measured:
        raise ZeroDivisionError("division by zero")

    broken = replace(first, content={"broken": 1}, measure=divide)
    listed = replace(study, cells=lambda _: [broken, *others])
    outcome = run_study(listed, world, tmp_path, Notes())
    assert (outcome.done, outcome.failed) == (1, 1)
    assert outcome.cells[0].reason == "ZeroDivisionError: division by zero"
    assert outcome.answer is None
    assert "no cell of 'test_resnet, without' is done" in str(outcome.why_unanswered)
    assert "Cells that failed" in (tmp_path / "page.html").read_text()
