"""A result store as pages: one for each file and an index, or one report.

The index opens with 10,000 files: it holds its rows as data and draws those that are looked at. It
needs neither network nor server; its security policy allows its own style and script alone. Without
scripts it shows the most suspicious files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from markupsafe import Markup

from unmask.core.scan import Scan
from unmask.core.scan_record import Examination, ScanDocument
from unmask.core.text import visible
from unmask.report import page, wording
from unmask.report.document import from_json
from unmask.report.html import Place, assembled, to_html
from unmask.report.quantities import percent
from unmask.report.summary import Row, failure_row, row, summary
from unmask.results.index import Choice, Ranking
from unmask.results.rows import FileRow
from unmask.results.store import ResultStore
from unmask.results.views import chosen_documents
from unmask.system.files import write_text

_PAGES = "pages"
_ID_DIGITS = 20
"""Of a result's id in the name of its page."""
_ARTICLE_END = "</article>"
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
    count = _write_files(folder / _PAGES, store, ranking, choice)
    write_text(folder / "index.html", index_page(ranking, choice))
    return count


def write_report(path: Path, store: ResultStore, ranking: Ranking, choice: Choice) -> None:
    """Write the report that `scan --report` writes, of the chosen files: a summary and details.

    Of more than some files the details are pages of their own, in a folder beside it.

    Args:
        path: the report.
        store: the results.
        ranking: of the store.
        choice: which of them.

    Raises:
        OSError: it cannot be written.
    """
    folder = Place(path, ranking.count(choice)).folder
    pages: dict[str, str] = {}
    if folder is None:
        pages = dict(each for each in store.pages() if ranking.is_chosen(each[0], choice))
    else:
        _write_files(folder, store, ranking, choice)
    rows: list[Row] = []
    articles: dict[str | None, Markup] = {}
    examinations: set[Examination | None] = set()
    for result_id, text in chosen_documents(store, ranking, choice):
        document = from_json(text)
        (record,) = document.results
        examinations.add(document.examination)
        link = f"{folder.name}/{_file_name(result_id)}" if folder else f"#{anchor(result_id)}"
        rows.append(row(record, link))
        if folder is None:
            page_text = pages.get(result_id) or _page_without_pictures(result_id, document)
            articles[link] = _article_of(page_text)
    if choice == Choice():
        rows += [failure_row(each.path, each.error or "") for each in ranking.failed()]
    listed = summary(rows)
    in_order = [articles[each.link] for each in listed.rows if each.link in articles]
    shared = examinations.pop() if len(examinations) == 1 else None
    write_text(path, assembled(in_order, listed, examination=shared))


def anchor(result_id: str) -> str:
    """Return the id of a result's element, which no other result has on a page of several."""
    return f"r{result_id[:_ID_DIGITS]}"


def _write_files(folder: Path, store: ResultStore, ranking: Ranking, choice: Choice) -> int:
    """Write a page for each chosen file to a folder, which is made; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    for result_id, text in store.pages():
        if ranking.is_chosen(result_id, choice):
            write_text(folder / _file_name(result_id), text)
            written.add(result_id)
    for result_id, text in chosen_documents(store, ranking, choice):
        if result_id not in written:
            drawn = _page_without_pictures(result_id, from_json(text))
            write_text(folder / _file_name(result_id), drawn)
            written.add(result_id)
    return len(written)


def _page_without_pictures(result_id: str, document: ScanDocument) -> str:
    (record,) = document.results
    name = anchor(result_id)
    return to_html(Scan(record, ()), anchor=name, examination=document.examination)


def _article_of(text: str) -> Markup:
    """Cut a file's part out of its page, its headings one level lower.

    Texts of the file are escaped there, so that each tag in it is one of ours.
    """
    begin, end = text.index("<article "), text.rindex(_ARTICLE_END) + len(_ARTICLE_END)
    lower = re.sub(r"(</?h)([1-5])(?=[ >])", lambda m: f"{m[1]}{int(m[2]) + 1}", text[begin:end])
    return Markup(lower)  # noqa: S704 - our own page


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
    for each in ranking.analysed(choice):
        yield _index_row(each, ranking.other_paths(each))
    if choice == Choice():
        for each in ranking.failed():
            yield _index_row(each, ())


def _index_row(file: FileRow, others: tuple[str, ...]) -> IndexRow:
    word = file.word or _FAILED
    style = next((wording.verdict_text(w).style for w in wording.WORDS if w == word), "none")
    path = file.path if not others else f"{file.path} (also {', '.join(others)})"
    cut = "; ".join(file.not_analysed)
    return IndexRow(
        name=visible(PurePath(file.path).name or file.path),
        path=visible(path),
        link=None if file.status == "failed" else _link(file.result_id),
        word=word,
        style=style,
        shown=probability_text(file),
        sort=-1.0 if file.probability is None else file.probability,
        note=visible(file.error or file.reason or (f"not analysed: {cut}" if cut else "")),
    )


def probability_text(file: FileRow) -> str:
    """Write a file's probability with its range."""
    if file.probability is None:
        return ""
    text = percent(file.probability)
    if file.interval_low is not None and file.interval_high is not None:
        low, high = percent(file.interval_low), percent(file.interval_high)
        text += f" ({low} to {high})"
    return text


def _link(result_id: str) -> str:
    return f"{_PAGES}/{_file_name(result_id)}"


def _file_name(result_id: str) -> str:
    return f"{result_id[:_ID_DIGITS]}.html"


def _data(rows: list[IndexRow]) -> str:
    """Return rows as JSON that ends no element of the page, whatever names of files hold."""
    text = json.dumps([list(vars(each).values()) for each in rows], separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
