"""The one engine that runs studies: cells from the cache or made now, then the answer, then files.

    study.json        everything that the page shows
    results.parquet   a row per number
    cells.parquet     a row per cell: done or failed, and why
    page.html         question, answer, what the data cannot say

A cell that fails is noted with its reason and tried again when the study is run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from unmask.core.errors import InputNotFound, ManifestError, UnmaskError
from unmask.studies.cells import Cell, Measured
from unmask.studies.page import to_html
from unmask.studies.resampling import SEEDS_NEEDED, TWO_SEEDS
from unmask.studies.study import About, Answer, CellState, Measurements, Outcome, Study
from unmask.studies.study_context import StudyContext
from unmask.system.files import write_text, write_whole
from unmask.system.provenance import versions

STUDY_FILE, RESULTS, CELLS, PAGE = "study.json", "results.parquet", "cells.parquet", "page.html"
_VERSIONED = ("torch", "timm", "lightning")
_OUTCOME = TypeAdapter(Outcome)


class Watcher(Protocol):
    """Who shows how far a study is."""

    def study(self, name: str, cells: int, missing: int) -> None:
        """Show a study that begins."""

    def cell(self, name: str, number: int, state: CellState, *, new: bool) -> None:
        """Show a cell that ended."""


def run_study(study: Study, context: StudyContext, folder: str | Path, watcher: Watcher) -> Outcome:
    """Run a study and write its files.

    Args:
        study: what to run.
        context: scale, data and cache.
        folder: of the study's files, made if it is not there.
        watcher: shown how far it is.
    """
    try:
        cells = list(study.cells(context))
    except UnmaskError as error:
        outcome = _outcome(study, context, (), (), (None, f"{error.message}; {error.hint}"))
        return _write_outcome(outcome, Path(folder))
    missing = sum(not context.cache.has(cell) for cell in cells)
    watcher.study(study.name, len(cells), missing)
    states, done = [], []
    for number, cell in enumerate(cells, start=1):
        new = not context.cache.has(cell)
        state, measured = _state(cell, context)
        watcher.cell(study.name, number, state, new=new)
        states.append(state)
        if measured is not None:
            done.append((cell, measured))
    answered = _answer(study, context, Measurements(tuple(done)))
    return _write_outcome(_outcome(study, context, cells, states, answered), Path(folder))


def _state(cell: Cell, context: StudyContext) -> tuple[CellState, Measured | None]:
    """Make or read a cell; a failure is part of the result."""
    try:
        measured = context.cache.run(cell)
    except Exception as error:  # noqa: BLE001 - one cell's failure must not end the study
        reason = (
            error.message if isinstance(error, UnmaskError) else f"{type(error).__name__}: {error}"
        )
        return CellState(dict(cell.factors), cell.key, "failed", reason, None), None
    seconds = measured.figures["cell_seconds"]
    return CellState(dict(cell.factors), cell.key, "done", None, seconds), measured


def _answer(
    study: Study, context: StudyContext, measurements: Measurements
) -> tuple[Answer | None, str | None]:
    try:
        return study.answer(context, measurements), None
    except UnmaskError as error:
        return None, error.message


def _outcome(
    study: Study,
    context: StudyContext,
    cells: Sequence[Cell],
    states: Sequence[CellState],
    answered: tuple[Answer | None, str | None],
) -> Outcome:
    answer, why = answered
    about = {each.name: getattr(study, each.name) for each in fields(About)}
    about["cannot_say"] = (
        *study.cannot_say,
        *(answer.cannot_say if answer else ()),
        *_warn_of_few_seeds(states),
    )
    return Outcome(
        **about,
        answer=answer,
        why_unanswered=why,
        cells=tuple(states),
        scale=context.scale.name,
        data=context.provenance.lines(study.needs),
        settings=context.settings(cells),
        versions=versions() | _training_versions(),
        leak=context.provenance.leak(study.needs),
    )


def _warn_of_few_seeds(states: Sequence[CellState]) -> tuple[str, ...]:
    """Return what intervals lack of the noise of training, where networks were trained."""
    seeds = len({state.factors["seed"] for state in states if "seed" in state.factors})
    if not 0 < seeds < SEEDS_NEEDED:
        return ()
    held = (
        "nothing of the noise of training: every network was trained with one seed"
        if seeds == 1
        else "the noise of training only in part: networks were trained with 2 seeds, and where "
        f"that noise is most of it, a 95 % interval holds the truth in {TWO_SEEDS:.0%} of cases"
    )
    return (f"How far other seeds would lie: intervals hold {held}. Give --seeds 3 or more.",)


def _training_versions() -> dict[str, str]:
    by_package = {}
    for name in _VERSIONED:
        try:
            by_package[name] = version(name)
        except PackageNotFoundError:
            by_package[name] = "not installed"
    return by_package


def _write_outcome(outcome: Outcome, folder: Path) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    results = [] if outcome.answer is None else outcome.answer.results
    rows = [
        {"study": outcome.name, "condition": r.condition, "figure": r.figure, "kind": r.kind}
        | asdict(r.estimate)
        for r in results
    ]
    states = [
        {
            "study": outcome.name,
            "factors": json.dumps(dict(s.factors)),
            "key": s.key,
            "state": s.state,
            "reason": s.reason,
            "seconds": s.seconds,
        }
        for s in outcome.cells
    ]
    _table(rows, _RESULTS, folder / RESULTS)
    _table(states, _CELLS, folder / CELLS)
    write_text(folder / PAGE, to_html([outcome]))
    text = json.dumps(_OUTCOME.dump_python(outcome, mode="json"), indent=1) + "\n"
    write_text(folder / STUDY_FILE, text)
    return outcome


_RESULTS = pa.schema(
    [(name, pa.string()) for name in ("study", "condition", "figure", "kind")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
    + [(name, pa.int64()) for name in ("units", "clusters", "runs")]
)
_CELLS = pa.schema(
    [(name, pa.string()) for name in ("study", "factors", "key", "state", "reason")]
    + [("seconds", pa.float64())]
)


def _table(rows: Sequence[Mapping[str, object]], schema: pa.Schema, path: Path) -> None:
    table = pa.Table.from_pylist(list(rows), schema=schema)
    write_whole(path, lambda partial: pq.write_table(table, partial))


def read_outcomes(folder: str | Path) -> list[Outcome]:
    """Read the studies in a folder and in the folders below it, in order of name.

    Raises:
        InputNotFound: there is no study.
        ManifestError: one is damaged or of another version.
    """
    root = Path(folder)
    paths = [p for p in (root / STUDY_FILE, *sorted(root.glob(f"*/{STUDY_FILE}"))) if p.is_file()]
    if not paths:
        raise InputNotFound(
            f"no study in {str(folder)!r}", hint="give the folder that `unmask study run` wrote"
        )
    outcomes = []
    for path in paths:
        try:
            outcomes.append(_OUTCOME.validate_json(path.read_bytes()))
        except ValidationError as error:
            raise ManifestError(
                f"{path} is no study of this version", hint="run the study again"
            ) from error
    return outcomes
