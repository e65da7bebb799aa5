"""Running `unmask study run`: answers on stdout, progress on stderr."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from unmask.cli.optional_packages import check_installed
from unmask.core.text import visible
from unmask.explain.methods import check_methods
from unmask.report.wording import leak_mark
from unmask.studies.catalogue import EVERY, find_studies
from unmask.studies.cells import Cache
from unmask.studies.engine import PAGE, run_study
from unmask.studies.request import StudyRequest
from unmask.studies.scales import SCALES, STRATEGIES, Scale
from unmask.studies.study import CellState, Outcome
from unmask.studies.study_context import StudyContext

_FOLDER = Path("studies")


@dataclass(frozen=True)
class StudySelection:
    """What is to be run, and how large."""

    name: str
    """A study, or all."""
    scale: str
    """Name of a scale."""
    networks: str | None
    """Other networks than the scale's, separated by commas."""
    seeds: int | None
    """Other number of seeds."""
    limit: int | None
    """Most crops to learn from, to judge by and to explain."""
    films: int | None
    """Most videos."""
    strategies: str | None = None
    """Some of the strategies against imbalance, separated by commas."""
    ratios: str | None = None
    """Other ratios of real to fake, such as `10:1,1:1`."""
    methods: str | None = None
    """Some of the methods of explaining, separated by commas."""

    def scaled(self) -> Scale:
        """Return the scale with what was asked for.

        Raises:
            ValueError: there is no such scale, strategy or method, or a ratio is none.
        """
        if self.scale not in SCALES:
            raise ValueError(f"no scale {self.scale!r}; there are: {', '.join(SCALES)}")
        scale = SCALES[self.scale]
        if self.networks is not None:
            scale = replace(scale, networks=_parts(self.networks))
        if self.seeds is not None:
            scale = replace(scale, seeds=self.seeds)
        if self.strategies is not None:
            scale = replace(scale, strategies=read_strategies(self.strategies))
        if self.ratios is not None:
            scale = replace(scale, ratios=read_ratios(self.ratios))
        if self.methods is not None:
            scale = replace(scale, methods=check_methods(_parts(self.methods)))
        if self.films is not None:
            scale = replace(scale, films=self.films)
        if self.limit is not None:
            scale = replace(
                scale,
                train_crops=self.limit,
                test_crops=self.limit,
                severity_crops=min(self.limit, scale.severity_crops),
                explained=min(self.limit, scale.explained),
            )
        return scale


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read_strategies(text: str) -> tuple[str, ...]:
    """Read names of strategies.

    Raises:
        ValueError: one is unknown, or the one that the others are compared with is missing.
    """
    names = _parts(text)
    if unknown := [name for name in names if name not in STRATEGIES]:
        raise ValueError(f"no strategy {unknown[0]!r}; there are: {', '.join(STRATEGIES)}")
    if "balanced" not in names:
        raise ValueError(f"strategies are compared with 'balanced': add it to {text!r}")
    return names


def read_ratios(text: str) -> tuple[float, ...]:
    """Read ratios of real to fake as fakes per real, ascending.

    >>> read_ratios("10:1,1:1,1:5")
    (0.1, 1.0, 5.0)

    Raises:
        ValueError: one is no ratio, or the one that the others are compared with is missing.
    """
    pairs = [part.split(":") for part in _parts(text)]
    try:
        ratios = sorted({float(fake) / float(real) for real, fake in pairs})
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"ratios look like 10:1,1:1,1:10, got {text!r}") from error
    if 1 not in ratios or not all(0 < ratio < float("inf") for ratio in ratios):
        raise ValueError(f"ratios are above 0 and compared with 1:1, got {text!r}")
    return tuple(ratios)


def run_studies(
    selection: StudySelection, request: StudyRequest, output: Path | None, cache: Path | None
) -> int:
    """Run, print the answers, and return the exit code."""
    studies, scale = find_studies(selection.name), selection.scaled()
    check_installed()
    several = selection.name == EVERY
    folder = output or (_FOLDER if several else _FOLDER / selection.name)
    context = StudyContext(scale, request, Cache(cache or folder / "cells"), _say)
    troubled = False
    for study in studies:
        place = folder / study.name if several else folder
        outcome = run_study(study, context, place, Lines())
        troubled = troubled or outcome.failed > 0 or outcome.answer is None
        typer.echo(describe_outcome(outcome))
        typer.echo(f"  {outcome.done} cells done, {outcome.failed} failed; {place / PAGE}")
    return 3 if troubled else 0


def describe_outcome(outcome: Outcome) -> str:
    """Return a study's name and answer, marked where its split leaks by design."""
    return f"{outcome.name}{leak_mark(leaks=outcome.leak is not None)}: {visible(outcome.said)}"


def _say(what: str) -> None:
    sys.stderr.write(f"  making {what}\n")


class Lines:
    """Progress: a line for each cell that is made."""

    def __init__(self) -> None:
        self._cells = 0

    def study(self, name: str, cells: int, missing: int) -> None:
        """Say what is to be done."""
        self._cells = cells
        sys.stderr.write(f"{name}: {cells} cells, {cells - missing} done before\n")

    def cell(self, name: str, number: int, state: CellState, *, new: bool) -> None:
        """Say how a cell ended, if it was made now."""
        if new:
            factors = ", ".join(f"{k} {v}" for k, v in state.factors.items())
            took = (
                visible(state.reason or "") if state.seconds is None else f"{state.seconds:.1f} s"
            )
            sys.stderr.write(f"{name} {number}/{self._cells}  {factors}: {state.state}, {took}\n")
