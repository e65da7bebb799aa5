"""An evaluation as tables: for the page, for Markdown and for LaTeX, all from the same rows.

Each row carries what its numbers were measured on, and one of a leaking protocol says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unmask.core.text import one_line
from unmask.evaluation.results import Evaluation, Figure, Group

SHOWN = ("AUC", "EER", "TPR at 1 % FPR", "balanced accuracy", "F1, macro", "Cllr")
"""Figures of the table over groups."""
HASH_DIGITS = 12
_CELL = 400
"""Most characters of a cell."""


@dataclass(frozen=True)
class Number:
    """A figure as it is printed."""

    value: str
    """The number, or a dash."""
    interval: str | None
    """Its interval."""
    reason: str | None
    """Why the value or the interval is missing."""
    leaks: bool
    """Whether its protocol leaks by design."""

    @property
    def text(self) -> str:
        """Number and interval in one line."""
        return self.value if self.interval is None else f"{self.value} [{self.interval}]"

    @property
    def told(self) -> str:
        """The same with the reason of what is missing, for tables that go elsewhere."""
        return self.text if self.reason is None else f"{self.text} ({self.reason})"


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    head: tuple[str, ...]
    """What it is about."""
    numbers: tuple[Number, ...]
    """Its numbers."""
    measured_on: str
    """Protocol, hashes and n."""


@dataclass(frozen=True)
class Table:
    """A table."""

    title: str
    """What it shows."""
    columns: tuple[str, ...]
    """Names of all columns but the last, which is what was measured on."""
    rows: tuple[Row, ...]
    """Its lines."""


def number(figure: Figure, evaluation: Evaluation) -> Number:
    """Return a figure as it is printed."""
    leaks = evaluation.info.leaks
    if figure.value is None:
        return Number("-", None, figure.reason, leaks)
    interval = figure.interval
    ends = None if interval is None else f"{interval.low:.3f}, {interval.high:.3f}"
    return Number(f"{figure.value:.3f}", ends, figure.reason, leaks)


def provenance(evaluation: Evaluation) -> str:
    """Say in a line what all numbers were measured on."""
    info = evaluation.info
    leak = ", LEAKS" if info.leaks else ""
    digest = "" if info.detector_sha256 is None else f" ({short(info.detector_sha256)})"
    return (
        f"protocol: {info.protocol or 'not split'}{leak}; manifest {short(info.manifest_sha256)}; "
        f"detector {info.detector}{digest}"
    )


def short(digest: str | None) -> str:
    """Return the beginning of a hash."""
    return "not known" if digest is None else digest[:HASH_DIGITS]


def _measured_on(evaluation: Evaluation, *groups: Group) -> str:
    level = evaluation.settings.level
    counts = " / ".join(
        f"{g.reals} real + {g.fakes} fake {level}s, {g.clusters} clusters" for g in groups
    )
    return f"{provenance(evaluation)}; n = {counts}"


def overall_table(evaluation: Evaluation) -> Table:
    """Return every figure of all units, failures left out and counted."""
    groups = [group for group in evaluation.groups if group.by == "all"]
    rows = tuple(
        Row(
            (figure.name,),
            tuple(number(group.figure(figure.name), evaluation) for group in groups),
            _measured_on(evaluation, *groups),
        )
        for figure in groups[0].figures
    )
    return Table("All figures", ("figure", *(group.counting for group in groups)), rows)


def group_table(evaluation: Evaluation) -> Table:
    """Return the main figures of each group."""
    rows = tuple(
        Row(
            (group.by, group.value, group.counting),
            tuple(number(group.figure(name), evaluation) for name in SHOWN),
            _measured_on(evaluation, group),
        )
        for group in evaluation.groups
    )
    return Table("By group", ("by", "group", "counting", *SHOWN), rows)


def markdown(table: Table) -> str:
    """Write a table for Markdown."""
    head = [*table.columns, "measured on"]
    lines = [head, ["---"] * len(head), *(_cells(row, _plain) for row in table.rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "≤": r"$\le$", "\u00a0": "~",
}  # fmt: skip


def latex(table: Table) -> str:
    """Write a table for LaTeX (packages booktabs and xcolor)."""
    columns = [*table.columns, "measured on"]
    body = [" & ".join(_cells(row, _latex_number, escape)) + r" \\" for row in table.rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
            r"\toprule",
            " & ".join(map(escape, columns)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def escape(text: str) -> str:
    r"""Escape text for LaTeX.

    >>> print(escape("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(_LATEX.get(char, char) for char in text)


def _cells(row: Row, write: Callable[[Number], str], text: Callable[[str], str] = str) -> list[str]:
    head = [text(one_line(cell, _CELL)) for cell in row.head]
    return [*head, *map(write, row.numbers), text(one_line(row.measured_on, _CELL))]


def _plain(result: Number) -> str:
    return f"{result.told} (LEAKS)" if result.leaks else result.told


def _latex_number(result: Number) -> str:
    text = escape(result.told)
    return rf"{text} \textcolor{{red}}{{leaks}}" if result.leaks else text
