"""What a study is, and what it finds: values that the engine, the pages and the catalogue share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unmask.studies.cells import Cell, Factor, Measured
from unmask.studies.charts import Drawing
from unmask.studies.estimate import Estimate

if TYPE_CHECKING:
    from unmask.studies.study_context import StudyContext


@dataclass(frozen=True)
class Result:
    """One line of a study's table of results."""

    condition: str
    """What was varied, in words."""
    figure: str
    """What was measured."""
    estimate: Estimate
    """The number."""
    kind: Literal["value", "difference"] = "value"
    """Whether it is a figure or the difference of two."""


@dataclass(frozen=True)
class Answer:
    """What a study says."""

    text: tuple[str, ...]
    """Sentences; the first is the answer."""
    results: tuple[Result, ...]
    """The numbers."""
    charts: tuple[Drawing, ...] = ()
    """Drawings of them."""
    cannot_say: tuple[str, ...] = ()
    """What these data cannot say, beyond what the study never can."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """The cells of a study that are done."""

    cells: tuple[tuple[Cell, Measured], ...]
    """Cells with their measurements, in the order in which the study lists them."""

    def where(self, **factors: Factor) -> list[tuple[Cell, Measured]]:
        """Return the cells with these factors."""
        return [
            (cell, each)
            for cell, each in self.cells
            if all(cell.factors.get(name) == value for name, value in factors.items())
        ]

    def by(self, *names: str) -> dict[tuple[Factor, ...], list[tuple[Cell, Measured]]]:
        """Return the cells that have all these factors, grouped by their values."""
        groups: dict[tuple[Factor, ...], list[tuple[Cell, Measured]]] = {}
        for cell, result in self.cells:
            if all(name in cell.factors for name in names):
                key = tuple(cell.factors[name] for name in names)
                groups.setdefault(key, []).append((cell, result))
        return groups


@dataclass(frozen=True, kw_only=True)
class About:
    """What a study asks and how."""

    name: str
    """As it is called on the command line."""
    origin: str
    """Where the question comes from."""
    question: str
    """The question."""
    varies: str
    """What is varied."""
    held: str
    """What is held."""
    measures: str
    """What is measured."""
    statistic: str
    """What answers the question."""
    cannot_say: tuple[str, ...]
    """What it cannot say."""


@dataclass(frozen=True, kw_only=True)
class Study(About):
    """A question, and how it is answered."""

    needs: str
    """What it runs on: crops, persons (crops that name them), films, a detector."""
    cells: Callable[[StudyContext], Sequence[Cell]]
    """Lists the cells."""
    answer: Callable[[StudyContext, Measurements], Answer]
    """Reads the answer out of the cells that are done."""


@dataclass(frozen=True)
class CellState:
    """How one cell ended."""

    factors: Mapping[str, Factor]
    """Where it stands in the study."""
    key: str
    """Name of its file in the cache."""
    state: Literal["done", "failed"]
    """How it ended."""
    reason: str | None
    """Why it failed."""
    seconds: float | None
    """Time that the measurement took when it was made; None where it failed."""


@dataclass(frozen=True, kw_only=True)
class Outcome(About):
    """A study that was run: what `study.json` holds and a page shows."""

    version: Literal[1] = 1
    """Of this structure."""
    answer: Answer | None
    """What it says; None where too little could be measured."""
    why_unanswered: str | None
    """Why there is no answer."""
    cells: tuple[CellState, ...]
    """How the cells ended."""
    scale: str
    """`quick` or `full`."""
    data: tuple[str, ...]
    """What it was run on, with hashes and terms."""
    settings: dict[str, str]
    """Networks, seeds and the rest that was asked for."""
    versions: dict[str, str]
    """Versions of the program and of what it computes with."""
    leak: str | None = None
    """Why the split that it was run on leaks by design; None where it does not."""

    @property
    def said(self) -> str:
        """The answer in a sentence, or why there is none."""
        if self.answer is None:
            return f"not answered: {self.why_unanswered}"
        return self.answer.text[0]

    @property
    def done(self) -> int:
        """Cells that are done."""
        return sum(cell.state == "done" for cell in self.cells)

    @property
    def failed(self) -> int:
        """Cells that failed."""
        return len(self.cells) - self.done

    @property
    def seconds(self) -> float:
        """Time that its cells took when they were made, shared ones included."""
        return sum(cell.seconds or 0.0 for cell in self.cells)
