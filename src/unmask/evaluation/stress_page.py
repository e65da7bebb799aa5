"""A stress test as a table and as one HTML page that needs neither network nor server."""

from __future__ import annotations

from markupsafe import Markup

from unmask.evaluation import charts
from unmask.evaluation.charts import Axes, Chart, Mark, Tick
from unmask.evaluation.composer import store_warnings
from unmask.evaluation.stress import Outcome, Stress
from unmask.report import page
from unmask.scanner.distortions import DISTORTIONS

COLUMNS = (
    "distortion", "level", "AUC", "95 % interval", "shift of reals", "shift of fakes", "changed",
)  # fmt: skip
"""Of the table: the shifts are mean changes of the logit; `changed` is the share of decisions."""
_NO = "-"


def make_rows(stress: Stress) -> list[tuple[str, ...]]:
    """Return the table, a row for each condition."""
    return [_row(outcome) for outcome in stress.outcomes]


def _row(outcome: Outcome) -> tuple[str, ...]:
    ends = outcome.interval
    return (
        outcome.condition.distortion,
        outcome.condition.text,
        _NO if outcome.auc is None else f"{outcome.auc:.3f}",
        _NO if ends is None else f"{ends.low:.3f}, {ends.high:.3f}",
        *(_NO if s is None else f"{s:+.2f}" for s in (outcome.shift_real, outcome.shift_fake)),
        f"{outcome.changed:.1%}",
    )


def draw_charts(stress: Stress) -> tuple[Chart, ...]:
    """Return a curve for each distortion; none where one of the labels is missing."""
    if stress.plain.auc is None:
        return ()
    reached = [outcome.auc for outcome in stress.outcomes if outcome.auc is not None]
    reached += [o.interval.low for o in stress.outcomes if o.interval is not None]
    bottom = 0.5 if min(reached) >= 0.5 else 0.0
    return tuple(_curve(stress, name, bottom) for name in stress.settings.only)


def _curve(stress: Stress, name: str, bottom: float) -> Chart:
    kind, by_level = DISTORTIONS[name], stress.of(name)
    axes = Axes((-0.3, len(kind.levels) - 0.7), (bottom, 1.0))
    drawn = [(at, by_level[level]) for at, level in enumerate(kind.levels)]
    plain = stress.plain.auc or 0.0
    lines = [axes.line("chance", tuple((end, plain) for end in axes.x))]
    for end in ("low", "high"):
        points = [(at, getattr(o.interval, end)) for at, o in drawn if o.interval is not None]
        lines.append(axes.line("second", tuple(points)))
    known = tuple((float(at), o.auc) for at, o in drawn if o.auc is not None)
    lines.append(axes.line("main", known))
    marks = tuple(
        Mark(axes.across(at), axes.up(o.auc), _describe(o)) for at, o in drawn if o.auc is not None
    )
    ticks = tuple(
        Tick(axes.across(at), "none" if level is None else f"{level:g}")
        for at, level in enumerate(kind.levels)
    )
    return Chart(
        name,
        "AUC by strength; dotted: its 95 % interval; dashed: the crops as they are.",
        kind.unit,
        "AUC",
        ticks,
        axes.y_ticks([bottom + (1 - bottom) * part / 5 for part in range(6)], "{:.1f}"),
        tuple(lines),
        marks,
    )


def _describe(outcome: Outcome) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, _row(outcome), strict=True))


def to_html(stress: Stress) -> str:
    """Draw the page of a stress test."""
    style = page.asset("unmask.report", "report.css") + page.asset(
        "unmask.evaluation", "evaluation.css"
    )
    template = page.environment("unmask.evaluation").get_template("stress.html.j2")
    return template.render(
        found=stress,
        warnings=(*store_warnings(stress.info), *stress.warnings),
        info=stress.info,
        settings=stress.settings,
        charts=draw_charts(stress),
        box=charts,
        columns=COLUMNS,
        rows=make_rows(stress),
        style=Markup(style),  # noqa: S704 - our own files
        policy=page.policy(style),
    )
