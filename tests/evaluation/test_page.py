"""The page of an evaluation and its tables: whole, escaped, and honest about leaks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from predicted import drawn, predictions, row
from unmask.evaluation.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_charts
from unmask.evaluation.composer import evaluate
from unmask.evaluation.html import to_html
from unmask.evaluation.results import Evaluation, EvaluationSettings
from unmask.evaluation.tables import group_table, latex, markdown, overall_table
from unmask.report.page import asset, policy, source_hash

FAST = EvaluationSettings(replicates=30)
LEAKY = {"leaks": True, "protocol": "paper-frame-split", "leak_reason": "frames of one video"}


@pytest.fixture(scope="module")
def plain() -> Evaluation:
    return evaluate(predictions(drawn(failures=4), manifest_sha256="ab" * 32), FAST)


@pytest.fixture(scope="module")
def leaky() -> Evaluation:
    return evaluate(predictions(drawn(), **LEAKY), FAST)


class Tags(HTMLParser):
    """Checks that every element is closed, and notes what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)
        self.loaded += [v or "" for k, v in attrs if k in {"src", "href"} and v != "data:,"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(plain: Evaluation) -> None:
    tags = Tags()
    tags.feed(to_html(plain))
    assert tags.open == []
    assert tags.loaded == []


def test_the_page_allows_only_its_own_style(plain: Evaluation) -> None:
    page = to_html(plain)
    style = asset("unmask.report", "report.css") + asset("unmask.evaluation", "evaluation.css")
    assert policy(style) in page.replace("&#39;", "'")
    assert source_hash(style) in policy(style)
    assert "script-src 'none'" in policy(style)


def test_each_row_says_what_it_was_measured_on(plain: Evaluation) -> None:
    for table in (overall_table(plain), group_table(plain)):
        for result in table.rows:
            assert "manifest abababababab; detector made up; n = " in result.measured_on


def test_failures_have_a_column_of_their_own(plain: Evaluation) -> None:
    assert overall_table(plain).columns == ("figure", "analysed", "failures count against it")
    page = to_html(plain)
    assert "56 of 60 videos (93.3 %)" in page
    assert "4: <bdi>broken</bdi>" in page


def test_a_leak_stands_beside_every_number(leaky: Evaluation, plain: Evaluation) -> None:
    page = to_html(leaky)
    cells = re.findall(r'<td[^>]*><span class="value">.*?</td>', page, re.DOTALL)
    numbers = [
        n for t in (overall_table(leaky), group_table(leaky)) for r in t.rows for n in r.numbers
    ]
    assert len(cells) == len(numbers)
    assert all('class="leaks"' in cell for cell in cells)
    assert 'class="leaks"' not in to_html(plain)
    for table in (overall_table(leaky), group_table(leaky)):
        assert markdown(table).count("(LEAKS)") == sum(len(r.numbers) for r in table.rows)
        assert latex(table).count(r"\textcolor{red}{leaks}") == sum(
            len(r.numbers) for r in table.rows
        )


def test_hostile_names_are_escaped() -> None:
    rows = [row(f"v{n}", ("real", "fake")[n % 2], float(n), method="<b>\u202e") for n in range(9)]
    rows.append(row("x", "fake", float(9), method="other"))
    page = to_html(evaluate(predictions(rows, detector="<script>"), FAST))
    assert "<script>" not in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "&lt;b&gt;⟨U+202E⟩" in page


def test_markdown_and_latex_hold_the_same_numbers(plain: Evaluation) -> None:
    table = overall_table(plain)
    assert table.rows[0].numbers[0].value in markdown(table)
    assert table.rows[0].numbers[0].text in latex(table)
    assert len(markdown(table).splitlines()) == len(table.rows) + 2
    widths = {line.count("|") for line in markdown(table).splitlines()}
    assert widths == {len(table.columns) + 2}
    assert all(line.count("&") == len(table.columns) for line in latex(table).splitlines()[4:-2])


def test_charts_stay_in_their_box(plain: Evaluation) -> None:
    charts = draw_charts(plain)
    assert [c.title for c in charts] == [
        "ROC", "DET", "Reliability", "Cost", "Risk and coverage",
        "Scores: real", "Scores: mimic", "Scores: swap",
    ]  # fmt: skip
    assert LEFT < RIGHT < WIDTH
    assert TOP < BOTTOM < HEIGHT
    for chart in charts:
        for line in chart.lines:
            for pair in line.points.split():
                x, y = map(float, pair.split(","))
                assert LEFT - 0.01 <= x <= RIGHT + 0.01, chart.title
                assert TOP - 0.01 <= y <= BOTTOM + 0.01, chart.title


def test_one_label_alone_has_a_page_without_curves() -> None:
    result = evaluate(predictions([row(f"r{n}", "real", -1.0) for n in range(9)]), FAST)
    assert "None: they need reals and fakes." in to_html(result)
