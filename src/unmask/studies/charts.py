"""Charts of a study's numbers: curves over something that is varied, and rows of dots.

The geometry and the drawing are those of an evaluation's charts; here are the two forms that
studies need, with intervals, and series that are told apart by dashes as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unmask.evaluation import charts
from unmask.evaluation.charts import Axes, Chart, Mark, Tick
from unmask.report.charts import Line
from unmask.studies.estimate import Estimate

SERIES = ("blue, solid", "red, dashed", "brown, dotted", "grey, dash and dot")
"""How series look, by number; the style sheet has them as `s0` and so on."""
_ROW_HEIGHT = 20.0
_LABEL_WIDTH = 168.0
_CHARACTERS = 27
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)


@dataclass(frozen=True)
class Box:
    """Size of a drawing and edges of its plotted area; named as the charts module names its own."""

    WIDTH: float = charts.WIDTH
    """Of the drawing."""
    HEIGHT: float = charts.HEIGHT
    """Of the drawing."""
    LEFT: float = charts.LEFT
    """Edge of the plotted area."""
    RIGHT: float = charts.RIGHT
    """Edge of the plotted area."""
    TOP: float = charts.TOP
    """Edge of the plotted area."""
    BOTTOM: float = charts.BOTTOM
    """Edge of the plotted area."""


@dataclass(frozen=True)
class Drawing:
    """A chart with the box that it is drawn in."""

    chart: Chart
    """The chart."""
    box: Box
    """Its box."""


def curves(
    title: str,
    caption: str,
    *,
    x_label: str,
    y_label: str,
    x_names: Sequence[str],
    series: Mapping[str, Sequence[Estimate]],
) -> Drawing:
    """Draw figures over ordered places, a curve for each series, with intervals.

    Args:
        title: heading.
        caption: what it shows; how the series look is added.
        x_label: name of the horizontal axis.
        y_label: name of the vertical axis.
        x_names: label of each place.
        series: an estimate for each place, by the name of the series; four series at most.
    """
    low, high, ticks = _range([e for each in series.values() for e in each], zero=False)
    axes = Axes((-0.4, len(x_names) - 0.6), (low, high))
    lines: list[Line] = []
    marks: list[Mark] = []
    for number, (name, estimates) in enumerate(series.items()):
        offset = 0.06 * (number - (len(series) - 1) / 2)
        known = [(at + offset, e) for at, e in enumerate(estimates) if e.value is not None]
        lines.append(axes.line(f"s{number}", tuple((x, float(e.value or 0)) for x, e in known)))
        for x, e in known:
            if e.low is not None and e.high is not None:
                lines.append(axes.line(f"s{number} thin", ((x, e.low), (x, e.high))))
            place = axes.across(x), axes.up(float(e.value or 0))
            marks.append(Mark(*place, f"{name}: {e.text}"))
    look = "; ".join(f"{style}: {name}" for style, name in zip(SERIES, series, strict=False))
    chart = Chart(
        title,
        f"{caption} {look[0].upper()}{look[1:]}.",
        x_label,
        y_label,
        axes.x_ticks(range(len(x_names))),
        axes.y_ticks(ticks),
        tuple(lines),
        tuple(marks),
    )
    named = tuple(Tick(t.at, name) for t, name in zip(chart.x_ticks, x_names, strict=True))
    return Drawing(replace(chart, x_ticks=named), Box())


def dots(
    title: str, caption: str, *, x_label: str, rows: Mapping[str, Estimate], zero: bool = False
) -> Drawing:
    """Draw an estimate a row, with its interval.

    Args:
        title: heading.
        caption: what it shows.
        x_label: what the numbers are.
        rows: estimates by label.
        zero: whether they are differences: zero is marked.
    """
    bottom = charts.TOP + _ROW_HEIGHT * max(1, len(rows))
    box = Box(HEIGHT=bottom + charts.HEIGHT - charts.BOTTOM, LEFT=_LABEL_WIDTH, BOTTOM=bottom)
    low, high, ticks = _range(list(rows.values()), zero=zero)

    def across(value: float) -> float:
        return round(box.LEFT + (box.RIGHT - box.LEFT) * (value - low) / (high - low), 2)

    lines, marks, labels = [], [], []
    if zero:
        lines.append(Line("chance", f"{across(0)},{box.TOP:g} {across(0)},{bottom:g}"))
    for number, (name, e) in enumerate(rows.items()):
        y = charts.TOP + _ROW_HEIGHT * (number + 0.5)
        labels.append(Tick(y, name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…"))
        if e.low is not None and e.high is not None:
            lines.append(Line("s0", f"{across(e.low)},{y:g} {across(e.high)},{y:g}"))
        if e.value is not None:
            marks.append(Mark(across(e.value), y, f"{name}: {e.signed if zero else e.text}"))
    chart = Chart(
        title,
        caption,
        x_label,
        "",
        tuple(Tick(across(value), f"{value:g}") for value in ticks),
        tuple(labels),
        tuple(lines),
        tuple(marks),
    )
    return Drawing(chart, box)


def _range(estimates: Sequence[Estimate], *, zero: bool) -> tuple[float, float, list[float]]:
    """Return the ends of an axis and its ticks, round numbers that hold all intervals."""
    ends = [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    ends += [0.0] if zero or not ends else []
    low, high = min(ends), max(ends)
    span = max(high - low, 0.02)
    step = next((each for each in _STEPS if span / each <= 5), math.ceil(span / 5))
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    ticks = [round(n * step, 6) for n in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks
