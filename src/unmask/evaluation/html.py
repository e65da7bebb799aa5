"""An evaluation as one HTML page that needs neither network nor server, readable in print."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from unmask.evaluation import charts
from unmask.evaluation.results import Evaluation
from unmask.evaluation.tables import Table, group_table, latex, markdown, overall_table
from unmask.report import page


@dataclass(frozen=True)
class TableView:
    """A table and how a paper has it."""

    table: Table
    """The table."""
    markdown: str
    """For Markdown."""
    latex: str
    """For LaTeX."""


def to_html(evaluation: Evaluation) -> str:
    """Draw the page of an evaluation."""
    style = page.asset("unmask.report", "report.css") + page.asset(
        "unmask.evaluation", "evaluation.css"
    )
    tables = [overall_table(evaluation), group_table(evaluation)]
    template = page.environment("unmask.evaluation").get_template("evaluation.html.j2")
    return template.render(
        found=evaluation,
        info=evaluation.info,
        settings=evaluation.settings,
        charts=charts.draw_charts(evaluation),
        box=charts,
        tables=[TableView(table, markdown(table), latex(table)) for table in tables],
        style=Markup(style),  # noqa: S704 - our own files
        policy=page.policy(style),
    )
