"""Studies as one HTML page that needs neither network nor server, and as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from unmask.report import page
from unmask.report.wording import leak_mark
from unmask.studies.study import Outcome, Result

_HEAD = """\
# Results of studies

Written by `unmask study report FOLDER --markdown FILE` from the files of the runs, not by hand. The
quick scale runs tiny networks, and invented material unless data were given: it shows that a study
works, and says nothing of real forgeries.
"""


@dataclass(frozen=True)
class _Marked:
    """What the charts of evaluations ask of their page: marks of leaking protocols."""

    leak_reason: str | None
    """Why the split leaks; None where it does not."""

    @property
    def leaks(self) -> bool:
        """Whether it does."""
        return self.leak_reason is not None


def to_html(outcomes: Sequence[Outcome]) -> str:
    """Draw the page of one study or several."""
    style = "".join(
        page.asset(package, name)
        for package, name in (
            ("unmask.report", "report.css"),
            ("unmask.evaluation", "evaluation.css"),
            ("unmask.studies", "studies.css"),
        )
    )
    templates = page.environment("unmask.studies")
    # charts are drawn by the evaluation's own macro
    packages = [jinja2.PackageLoader(f"unmask.{room}") for room in ("studies", "evaluation")]
    templates.loader = jinja2.ChoiceLoader(packages)
    return templates.get_template("studies.html.j2").render(
        outcomes=outcomes,
        ran_on=ran_on,
        written=format_result,
        marked=lambda outcome: _Marked(outcome.leak),
        style=Markup(style),  # noqa: S704 - our own files
        policy=page.policy(style),
    )


def format_result(result: Result) -> str:
    """Return a number of a study in one line."""
    return result.estimate.signed if result.kind == "difference" else result.estimate.text


def ran_on(outcome: Outcome) -> str:
    """Return the scale and the names of the material and the detector."""
    names = dict.fromkeys(
        each.split(": ")[0].split(" side of ")[-1].split(" (")[0] for each in outcome.data
    )
    return f"{outcome.scale}: {', '.join(names) or 'nothing that could be opened'}"


def to_markdown(outcomes: Sequence[Outcome]) -> str:
    """Write studies for the documentation: question, answer, figures, what it does not show."""
    parts = [_HEAD, "| study | question | scale and material | answer |", "|---|---|---|---|"]
    parts += [
        f"| [`{o.name}`](#{o.name}) | {_cell(o.question)} | {_cell(ran_on(o))} "
        f"| {_cell(o.said)}{_mark(o)} |"
        for o in outcomes
    ]
    return "\n".join(parts) + "\n" + "".join(f"\n{_section(each)}" for each in outcomes)


def _section(outcome: Outcome) -> str:
    lines = [f"### {outcome.name}", "", f"*{outcome.question}* ({outcome.origin})", ""]
    if outcome.answer is None:
        lines += [f"**Not answered:** {outcome.why_unanswered}", ""]
    else:
        first, *rest = outcome.answer.text
        lines += [
            f"**{first}**{_mark(outcome)}",
            "",
            *(line for each in rest for line in (each, "")),
        ]
        lines += [
            "| | figure | value [95 % interval] | n | drawn | runs |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(result, _mark(outcome)) for result in outcome.answer.results]
        lines.append("")
    lines += [
        f"- Varied: {outcome.varies}. Held: {outcome.held}.",
        f"- Statistic: {outcome.statistic}.",
        *(f"- Data: {each}." for each in outcome.data),
        *([f"- The split LEAKS by design. {outcome.leak}."] if outcome.leak else []),
        f"- Scale {outcome.scale}; {'; '.join(f'{k}: {v}' for k, v in outcome.settings.items())}.",
        f"- Cells: {outcome.done} done, {outcome.failed} failed; {outcome.seconds:.0f} s of work.",
        *(f"- Does not show: {each}" for each in outcome.cannot_say),
    ]
    return "\n".join(lines) + "\n"


def _mark(outcome: Outcome) -> str:
    return leak_mark(leaks=outcome.leak is not None)


def _line(result: Result, mark: str) -> str:
    e = result.estimate
    number = f"{format_result(result)}{mark}"
    cells = (result.condition, result.figure, number, e.units, e.clusters, e.runs)
    return f"| {' | '.join(_cell(str(each)) for each in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "/")
