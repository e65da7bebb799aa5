"""A result store as pages: one for each file, and an index of them that opens with 10,000 files.

The index holds its rows as data and draws those that are looked at, so it needs neither network nor
server; its security policy allows its own style and script alone. Without scripts it shows the most
suspicious files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from markupsafe import Markup

from unmask.report import page, wording
from unmask.report.document import from_json
from unmask.report.html import to_html
from unmask.results.index import Choice, Ranking
from unmask.results.rows import FileRow
from unmask.results.store import ResultStore
from unmask.system.files import write_text
from unmask.values import Scan

_PAGES = "pages"
_ID_DIGITS = 20
"""Of a result's id in the name of its page."""
_DRAWN = 100
"""Rows that the index shows without a script."""


@dataclass(frozen=True)
class IndexRow:
    """One file as the index shows it."""

    name: str
    """File name without folders."""
    path: str
    """Path as given, and where else the content was seen."""
    link: str | None
    """Its page; None for a file that was not analysed."""
    word: str
    """The verdict's word, or `not analysed`."""
    style: str
    """Name of the word's colour."""
    shown: str
    """Probability with its range, as text."""
    sort: float
    """What rows are sorted by: the probability; below 0 where there is none."""
    note: str
    """Why it cannot be judged, was not analysed in full or at all."""


def write_pages(folder: Path, store: ResultStore, ranking: Ranking, choice: Choice) -> int:
    """Write a page for each chosen file, and the index.

    Args:
        folder: where; it is made if it is not there. Pages of the same files are replaced.
        store: the results.
        ranking: of the store.
        choice: which of them.

    Returns:
        Number of pages besides the index.

    Raises:
        OSError: they cannot be written.
    """
    (folder / _PAGES).mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    for result_id, text in store.pages():
        if ranking.is_chosen(result_id, choice):
            write_text(folder / _link(result_id), text)
            written.add(result_id)
    for result_id, document in store.documents():
        if result_id not in written and ranking.is_chosen(result_id, choice):
            (record,) = from_json(document).results
            write_text(folder / _link(result_id), to_html(Scan(record, ())))
            written.add(result_id)
    write_text(folder / "index.html", index_page(ranking, choice))
    return len(written)


def index_page(ranking: Ranking, choice: Choice) -> str:
    """Draw the index of all chosen files, the most suspicious first; failures at the end."""
    rows = list(_index_rows(ranking, choice))
    style = page.asset("unmask.report", "report.css") + page.asset("unmask.results", "index.css")
    script = page.asset("unmask.results", "index.js")
    words = dict.fromkeys(each.word for each in rows)
    counts = {word: sum(each.word == word for each in rows) for word in words}
    return (
        page.environment("unmask.results")
        .get_template("index.html.j2")
        .render(
            rows=rows[:_DRAWN],
            total=len(rows),
            counts=counts,
            need_look=sum(n for word, n in counts.items() if word in _LOOK),
            data=Markup(_data(rows)),  # noqa: S704 - escaped below
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=page.policy(style, script),
        )
    )


_FAILED = "not analysed"
_LOOK = ("substantial evidence", "some evidence")


def _index_rows(ranking: Ranking, choice: Choice) -> Iterator[IndexRow]:
    for row in ranking.analysed(choice):
        yield _index_row(row, ranking.other_paths(row))
    if choice == Choice():
        for row in ranking.failed():
            yield _index_row(row, ())


def _index_row(row: FileRow, others: tuple[str, ...]) -> IndexRow:
    word = row.word or _FAILED
    style = next((wording.verdict_text(w).style for w in wording.WORDS if w == word), "none")
    path = row.path if not others else f"{row.path} (also {', '.join(others)})"
    cut = "; ".join(row.not_analysed)
    return IndexRow(
        name=wording.visible(PurePath(row.path).name or row.path),
        path=wording.visible(path),
        link=None if row.status == "failed" else _link(row.result_id),
        word=word,
        style=style,
        shown=probability_text(row),
        sort=-1.0 if row.probability is None else row.probability,
        note=wording.visible(row.error or row.reason or (f"not analysed: {cut}" if cut else "")),
    )


def probability_text(row: FileRow) -> str:
    """Write a file's probability with its range."""
    if row.probability is None:
        return ""
    text = wording.percent(row.probability)
    if row.interval_low is not None and row.interval_high is not None:
        low, high = wording.percent(row.interval_low), wording.percent(row.interval_high)
        text += f" ({low} to {high})"
    return text


def _link(result_id: str) -> str:
    return f"{_PAGES}/{result_id[:_ID_DIGITS]}.html"


def _data(rows: list[IndexRow]) -> str:
    """Return rows as JSON that ends no element of the page, whatever names of files hold."""
    text = json.dumps([list(vars(each).values()) for each in rows], separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
