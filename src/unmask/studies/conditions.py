"""From cells to conditions and lines of results: what most answers of studies begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unmask.core.errors import ManifestError
from unmask.studies.resampling import Estimates, Scored
from unmask.studies.study import Measurements, Result
from unmask.studies.trained_scores import scored_crops


def collect_runs(
    measurements: Measurements, *names: str, separator: str = ", "
) -> dict[str, list[Scored]]:
    """Return the scores of lessons, a condition for each combination of factors."""
    return {
        separator.join(map(str, key)): [
            scored_crops(measured.table, str(cell.factors["seed"])) for cell, measured in cells
        ]
        for key, cells in measurements.by(*names).items()
    }


def list_results(
    estimates: Estimates, conditions: Sequence[str], figures: Sequence[str]
) -> Iterator[Result]:
    """Yield each figure of each condition."""
    for condition in conditions:
        for figure in figures:
            yield Result(condition, figure, estimates.of(condition, figure))


def need(conditions: Sequence[str], names: Sequence[str]) -> None:
    """Refuse to answer where conditions are missing.

    Raises:
        ManifestError: naming what is missing.
    """
    if missing := [name for name in names if name not in conditions]:
        raise ManifestError(
            f"not answered: no cell of {missing[0]!r} is done",
            hint="see the table of cells for the reasons, and run the study again",
        )


def tally(networks: int) -> str:
    """Return a number of networks in words."""
    return "1 network" if networks == 1 else f"{networks} networks"


def spell(names: Sequence[str]) -> str:
    """Return names in words."""
    return ", ".join(names) or "none"
