"""Geometry of the charts of an evaluation: curves in data become lines in a fixed box.

The template draws what is computed here; a chart scales as a whole, its text with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from unmask.evaluation.curves import Curves, Points
from unmask.evaluation.results import Evaluation
from unmask.report.charts import Line

WIDTH, HEIGHT = 360.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 350.0, 12.0, 236.0
"""Edges of the plotted area in a drawing of `WIDTH` by `HEIGHT`."""
_DET_RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    """Place in the drawing."""
    label: str
    """Its text."""


@dataclass(frozen=True)
class Mark:
    """A dot with what it stands for."""

    x: float
    """Place."""
    y: float
    """Place."""
    title: str
    """Shown when it is pointed at."""


@dataclass(frozen=True)
class Bar:
    """A bar with what it stands for."""

    x: float
    """Left edge."""
    y: float
    """Top."""
    width: float
    """Width."""
    height: float
    """Height."""
    title: str
    """Shown when it is pointed at."""
    style: str
    """CSS class."""


@dataclass(frozen=True)
class Chart:
    """A chart ready to be drawn."""

    title: str
    """Its heading."""
    caption: str
    """What it shows."""
    x_label: str
    """Name of the horizontal axis."""
    y_label: str
    """Name of the vertical axis."""
    x_ticks: tuple[Tick, ...]
    """Of the horizontal axis."""
    y_ticks: tuple[Tick, ...]
    """Of the vertical axis."""
    lines: tuple[Line, ...] = ()
    """Curves."""
    marks: tuple[Mark, ...] = ()
    """Dots."""
    bars: tuple[Bar, ...] = ()
    """Bars."""


@dataclass(frozen=True)
class Axes:
    """From data to places in the drawing."""

    x: tuple[float, float]
    """Range of the horizontal axis."""
    y: tuple[float, float]
    """Range of the vertical axis."""

    def across(self, value: float) -> float:
        """Return the place of a value on the horizontal axis."""
        low, high = self.x
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 2)

    def up(self, value: float) -> float:
        """Return the place of a value on the vertical axis."""
        low, high = self.y
        return round(BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low), 2)

    def line(self, style: str, points: Points) -> Line:
        """Return a curve in the drawing."""
        return Line(style, " ".join(f"{self.across(x):g},{self.up(y):g}" for x, y in points))

    def x_ticks(self, values: Sequence[float], form: str = "{:g}") -> tuple[Tick, ...]:
        """Return labelled places of the horizontal axis."""
        return tuple(Tick(self.across(value), form.format(value)) for value in values)

    def y_ticks(self, values: Sequence[float], form: str = "{:g}") -> tuple[Tick, ...]:
        """Return labelled places of the vertical axis."""
        return tuple(Tick(self.up(value), form.format(value)) for value in values)


UNIT = Axes((0.0, 1.0), (0.0, 1.0))
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_charts(evaluation: Evaluation) -> tuple[Chart, ...]:
    """Return all charts of an evaluation; none where one of the labels is missing."""
    curves = evaluation.curves
    if curves is None:
        return ()
    charts = [_roc(curves, evaluation), _det(curves), _reliability(curves)]
    return (*charts, _cost(curves), _risk(curves), *_histograms(curves, evaluation.threshold_logit))


def _roc(curves: Curves, evaluation: Evaluation) -> Chart:
    confusion = evaluation.confusion
    fpr = confusion.real_called_fake / max(
        1, confusion.real_called_fake + confusion.real_called_real
    )
    tpr = confusion.fake_called_fake / max(
        1, confusion.fake_called_fake + confusion.fake_called_real
    )
    text = f"at the threshold: {tpr:.1%} of fakes found, {fpr:.1%} of reals called fake"
    return Chart(
        "ROC",
        f"Dot: {text}. Dashed: guessing.",
        "reals called fake",
        "fakes found",
        UNIT.x_ticks(_QUARTERS),
        UNIT.y_ticks(_QUARTERS),
        (UNIT.line("chance", ((0, 0), (1, 1))), UNIT.line("main", curves.roc)),
        (Mark(UNIT.across(fpr), UNIT.up(tpr), text),),
    )


def _det(curves: Curves) -> Chart:
    normal = NormalDist()
    ends = (normal.inv_cdf(_DET_RATES[0]), normal.inv_cdf(_DET_RATES[-1]))
    axes = Axes(ends, ends)
    inside = tuple(
        point for point in curves.det if all(ends[0] <= value <= ends[1] for value in point)
    )
    places = [normal.inv_cdf(rate) for rate in _DET_RATES]
    labels = [f"{rate:.1%}".replace(".0%", "%") for rate in _DET_RATES]
    return Chart(
        "DET",
        "Both error rates on normal deviates; nearer to the lower left corner is better.",
        "reals called fake",
        "fakes missed",
        tuple(Tick(axes.across(at), label) for at, label in zip(places, labels, strict=True)),
        tuple(Tick(axes.up(at), label) for at, label in zip(places, labels, strict=True)),
        (axes.line("chance", (ends, ends[::-1])), axes.line("main", inside)),
    )


def _reliability(curves: Curves) -> Chart:
    return Chart(
        "Reliability",
        "On the dashed line a probability means what it says. A dot is a bin; point at it for n.",
        "probability given",
        "share of fakes",
        UNIT.x_ticks(_QUARTERS),
        UNIT.y_ticks(_QUARTERS),
        (
            UNIT.line("chance", ((0, 0), (1, 1))),
            UNIT.line("main", tuple((b.probability, b.share) for b in curves.reliability)),
        ),
        tuple(
            Mark(
                UNIT.across(b.probability),
                UNIT.up(b.share),
                f"n = {b.count}, given {b.probability:.1%}, {b.share:.1%} are fake",
            )
            for b in curves.reliability
        ),
    )


def _cost(curves: Curves) -> Chart:
    axes = Axes((0.0, 1.0), (0.0, 0.5))
    return Chart(
        "Cost",
        "Expected cost by how much misses weigh: solid at the best threshold, dotted at the chosen "
        "one, dashed without looking.",
        "weight of misses (prior and cost)",
        "expected cost",
        axes.x_ticks(_QUARTERS),
        axes.y_ticks((0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (
            axes.line("chance", ((0, 0), (0.5, 0.5), (1, 0))),
            axes.line("main", curves.cost),
            axes.line("second", tuple((x, min(y, 0.5)) for x, y in curves.cost_here)),
        ),
    )


def _risk(curves: Curves) -> Chart:
    top = max(0.1, *(risk for _, risk in curves.risk_coverage))
    axes = Axes((0.0, 1.0), (0.0, top))
    return Chart(
        "Risk and coverage",
        "Error rate among the units that are answered, the surest first: what abstaining buys.",
        "share answered",
        "error rate",
        axes.x_ticks(_QUARTERS),
        axes.y_ticks([top * part for part in (0, 0.25, 0.5, 0.75, 1)], "{:.2f}"),
        (axes.line("main", curves.risk_coverage),),
    )


def _histograms(curves: Curves, threshold: float) -> list[Chart]:
    edges = curves.histogram_edges
    charts = []
    for histogram in curves.histograms:
        top = max(1, *histogram.counts)
        axes = Axes((edges[0], edges[-1]), (0.0, float(top)))
        style = "real" if histogram.name == "real" else "fake"
        bars = tuple(
            Bar(
                axes.across(low),
                axes.up(count),
                max(0.5, axes.across(high) - axes.across(low) - 0.5),
                BOTTOM - axes.up(count),
                f"{count} from {low:.2f} to {high:.2f}",
                style,
            )
            for low, high, count in zip(edges[:-1], edges[1:], histogram.counts, strict=True)
            if count
        )
        inside = edges[0] <= threshold <= edges[-1]
        at = ((threshold, 0.0), (threshold, float(top)))
        charts.append(
            Chart(
                f"Scores: {histogram.name}",
                f"n = {sum(histogram.counts)}. Dashed: the threshold {threshold:.2f}.",
                "logit",
                "units",
                axes.x_ticks([edges[0], (edges[0] + edges[-1]) / 2, edges[-1]], "{:.1f}"),
                axes.y_ticks((0, top)),
                (axes.line("chance", at),) if inside else (),
                (),
                bars,
            )
        )
    return charts
