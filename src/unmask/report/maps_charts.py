"""Curves of deletion and insertion as drawings: a method beside a random map, in a fixed box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unmask.explain.summary import MeanCurves, Summary
from unmask.report.charts import Line

WIDTH, HEIGHT = 240.0, 170.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 232.0, 10.0, 138.0
"""Edges of the plotted area in a drawing of `WIDTH` by `HEIGHT`."""
_DRAWN = (("deletion", "falls"), ("insertion", "rises"))
"""Fields of `MeanCurves` with their CSS classes."""


@dataclass(frozen=True)
class MapsChart:
    """The curves of one method."""

    method: str
    """Its name."""
    said: str
    """The curves in words, for those who do not see them."""
    lines: tuple[Line, ...]
    """Those of a random map, then the method's own."""


def draw_charts(summary: Summary) -> tuple[MapsChart, ...]:
    """Return a chart for each method whose maps were measured."""
    random = next((line.curves for line in summary.methods if line.method == "random"), None)
    beside = () if random is None else _lines(random, "plain")
    return tuple(
        MapsChart(line.method, _describe(line.curves), (*beside, *_lines(line.curves, "own")))
        for line in summary.methods
        if line.verdict is not None and line.curves is not None
    )


def _lines(curves: MeanCurves, style: str) -> tuple[Line, ...]:
    return tuple(Line(f"{style} {way}", _points(getattr(curves, name))) for name, way in _DRAWN)


def _points(values: Sequence[float]) -> str:
    step = (RIGHT - LEFT) / (len(values) - 1)
    return " ".join(
        f"{LEFT + step * at:.1f},{BOTTOM - (BOTTOM - TOP) * value:.1f}"
        for at, value in enumerate(values)
    )


def _describe(curves: MeanCurves) -> str:
    half = len(curves.deletion) // 2
    return (
        f"P(fake) is {curves.deletion[0]:.2f} for the whole crop, {curves.deletion[half]:.2f} with "
        f"its strongest half covered, {curves.insertion[half]:.2f} with only that half shown"
    )
