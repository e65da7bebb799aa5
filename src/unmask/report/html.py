"""The report as HTML that needs neither network nor server: the summary first, details after it.

It is for people who have to answer for what they publish: the verdict in words with its limits,
each face with its key frames and what the network looked at, what was left out, and everything
needed to repeat the scan. Of more than ten files each has a page of its own, in a folder beside the
summary. Text from a file is hostile: templates escape everything, and characters that hide or
reorder text are shown as code points. A page's own security policy allows nothing but its pictures,
its film, one style and one script.

A service shows the same parts: `article` and `summary_table` render them by themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from unmask.core.media import VideoInfo
from unmask.core.scan import Scan
from unmask.core.scan_record import Examination
from unmask.report import origin, page, quantities, wording
from unmask.report.charts import LINE_WIDTH, PLOT_HEIGHT, PLOT_TOP
from unmask.report.film_link import NO_FILM, FilmLink, film_link, relative_link
from unmask.report.language import translation
from unmask.report.language.sentences import sentence
from unmask.report.summary import Row, Summary, failure_row, row, summary
from unmask.report.views import ReportView, report_view
from unmask.system.files import write_text

FILES_ON_ONE_PAGE = 10
"""Most files whose details stand on the page of the summary."""
_MAX_NAME = 60
"""Characters of a file's name in that of its page."""


@dataclass(frozen=True)
class Place:
    """Where a report is written, which decides how it shows films and many files."""

    path: Path
    """File of the report."""
    files: int = 1
    """Files that it is about."""
    embed_bytes: int | None = None
    """Size up to which films are written into the page; None to link to them."""
    overlays: bool = False
    """Whether films with boxes and maps drawn in lie in the folder (`overlay_film`)."""

    @property
    def folder(self) -> Path | None:
        """Folder of the pages of single files; None where one page holds them all."""
        return None if self.files <= FILES_ON_ONE_PAGE else _folder(self.path)


def _folder(report: Path) -> Path:
    return report.with_name(f"{report.stem}-files")


def overlay_film(report: Path, place: int, video: str) -> Path:
    """Return where the film with boxes and maps drawn in lies that a report links to.

    Args:
        report: file of the report.
        place: of the video among the files.
        video: path of the video.
    """
    return _folder(report) / f"{_numbered(place, video)}-overlay.mp4"


def _numbered(place: int, path: str) -> str:
    """Return the name of what belongs to one of many files, without its suffix."""
    return f"{place + 1:04d}-{_safe(Path(path).name)}"


class Page:
    """A report that grows file by file; of a file's pictures it keeps what it shows.

    With a folder for single files it keeps their rows alone, and their pages are written as they
    come.
    """

    def __init__(
        self, place: Place | None = None, *, examination: Examination | None = None
    ) -> None:
        self._place, self._examination = place, examination
        self._reports: dict[int, ReportView] = {}
        self._rows: dict[int, Row] = {}

    def add(self, scan: Scan, place: int, *, anchor: str | None = None) -> None:
        """Add a file that stands at a place among the others, whenever they are added.

        Args:
            scan: the result and its pictures.
            place: among the files.
            anchor: id of the file's element on a page of several; None: made from the place.

        Raises:
            OSError: the page of this file could not be written.
        """
        anchor, video = anchor or f"r{place + 1}", scan.result.video
        folder = None if self._place is None else self._place.folder
        if self._place is None or folder is None:
            film = NO_FILM
            if self._place is not None:
                film = self._film(video, self._place, place, self._place.path)
            self._reports[place] = report_view(scan, anchor, film)
            self._rows[place] = row(scan.result, f"#{anchor}")
            return
        folder.mkdir(exist_ok=True)
        target = folder / f"{_numbered(place, video.path)}.html"
        film = self._film(video, self._place, place, target)
        back = f"../{self._place.path.name}"
        write_text(target, self._render([report_view(scan, "r1", film)], None, back=back))
        self._rows[place] = row(scan.result, f"{folder.name}/{target.name}")

    @staticmethod
    def _film(video: VideoInfo, where: Place, place: int, page: Path) -> FilmLink:
        """Return where a page shows a video from."""
        film = film_link(video, page, embed_bytes=where.embed_bytes)
        overlay = overlay_film(where.path, place, video.path)
        if not where.overlays or not overlay.is_file():
            return film
        return replace(film, overlay=relative_link(overlay, page))

    def html(self, failures: Sequence[tuple[str, str]] = ()) -> str:
        """Draw it, with the summary in front if there is more than one file.

        Args:
            failures: path and reason of each file that could not be scanned.

        Returns:
            A complete HTML document.
        """
        rows = [each for _, each in sorted(self._rows.items())]
        listed = summary([*rows, *(failure_row(path, reason) for path, reason in failures)])
        if len(listed.rows) == 1 and len(self._reports) == 1:
            return self._render(list(self._reports.values()), None)
        by_link = {f"#{report.anchor}": report for report in self._reports.values()}
        ranked = [by_link[each.link] for each in listed.rows if each.link in by_link]
        return self._render(ranked, listed)

    def _render(
        self, reports: Sequence[ReportView], listed: Summary | None, *, back: str | None = None
    ) -> str:
        level = 1 if listed is None else 2
        media = {source for report in reports if (source := report.film.source) is not None}
        parts = [article(each, level=level, examination=self._examination) for each in reports]
        title = reports[0].name if reports else ""
        return assembled(
            parts, listed, title=title, media=media, back=back, examination=self._examination
        )


def assembled(
    articles: Sequence[Markup],
    listed: Summary | None,
    *,
    title: str = "",
    media: Collection[str] = (),
    back: str | None = None,
    examination: Examination | None = None,
) -> str:
    """Put parts of single files, as `article` renders them, on a page.

    Args:
        articles: the parts.
        listed: the summary in front; None: none.
        title: name of the file, where there is no summary.
        media: where films may come from, as a security policy names it.
        back: address of the page of all files.
        examination: case, analyst and note.

    Returns:
        A complete HTML document.
    """
    style, script = asset("report.css"), asset("report.js")
    template = environment().get_template("report.html.j2")
    return template.render(
        articles=articles,
        summary=listed,
        name=title,
        back=back,
        examination=examination,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=page.policy(style, script, media=sorted(media)),
    )


def _safe(name: str) -> str:
    """Return a file's name as part of another one: plain characters only, so that links hold."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_MAX_NAME]


def to_html(scan: Scan, *, anchor: str = "r1", examination: Examination | None = None) -> str:
    """Draw the report of one file, without its film.

    Args:
        scan: the result and its pictures.
        anchor: id of the file's element; those of its parts start with it.
        examination: case, analyst and note.

    Returns:
        A complete HTML document.
    """
    page = Page(examination=examination)
    page.add(scan, 0, anchor=anchor)
    return page.html()


def to_html_batch(
    scans: Sequence[Scan],
    failures: Sequence[tuple[str, str]] = (),
    *,
    place: Place | None = None,
    examination: Examination | None = None,
) -> str:
    """Draw one report of many files, with a summary in front.

    Args:
        scans: results and pictures.
        failures: path and reason of each file that could not be scanned.
        place: where it will be written; None: it shows no films, and one page holds all files.
        examination: case, analyst and note.

    Returns:
        A complete HTML document.
    """
    html = Page(place, examination=examination)
    for number, scan in enumerate(scans):
        html.add(scan, number)
    return html.html(failures)


def article(
    report: ReportView, *, level: int = 2, examination: Examination | None = None
) -> Markup:
    """Render one file's part of a page, for a page of another make with our style and script.

    Args:
        report: the file.
        level: of its heading, 1 or 2.
        examination: case, analyst and note.
    """
    part = environment().get_template("parts/article.html.j2").module
    return Markup(part.article(report, level, examination))  # type: ignore[attr-defined]  # noqa: S704


def summary_table(listed: Summary) -> Markup:
    """Render the summary of many files, as `article` renders one."""
    part = environment().get_template("parts/summary.html.j2").module
    return Markup(part.table(listed))  # type: ignore[attr-defined]  # noqa: S704


def asset(name: str) -> str:
    """Return a style or script of the templates."""
    return page.asset("unmask.report", name)


def _text(english: str, /, **values: object) -> Markup:
    """Return a text of the catalogue for a template; its values are escaped and made visible."""
    return _escaped(translation._(english), values)


def _plural(one: str, many: str, count: int, /, **values: object) -> Markup:
    chosen = translation.language().catalogue.ngettext(one, many, count)
    return _escaped(chosen, {"count": count, **values})


def _escaped(text: str, values: dict[str, object]) -> Markup:
    shown = {name: page.make_visible(value) for name, value in values.items()}
    return escape(text).format(**shown)


def compile_templates() -> None:
    """Compile the templates of the report now, a quarter of a second; they are kept."""
    templates = environment()
    for name in templates.list_templates(filter_func=_is_of_report):
        templates.get_template(name)


def _is_of_report(name: str) -> bool:
    return name.endswith(".html.j2") and not name.startswith("maps.")


@cache
def environment() -> jinja2.Environment:
    """Return where templates come from, everything escaped."""
    templates = page.environment("unmask.report")
    templates.filters.update(
        number=quantities.number,
        percent=quantities.percent,
        clock=quantities.clock,
        bytesize=quantities.size,
        setting=quantities.setting,
        statements=wording.statements,
        comparison=wording.comparison,
        survival=wording.survival,
        rate=wording.rate,
        rate_basis=wording.rate_basis,
        range_note=wording.range_note,
        decided=wording.describe_decision,
        misses=wording.misses,
        moment=quantities.moment,
        credential_text=origin.credential_text,
        source_type=origin.source_type,
        word=wording.local_word,
        sentence=sentence,
        compact_json=lambda value: json.dumps(value, separators=(",", ":")),
    )
    templates.globals.update(
        _=_text,
        ngettext=_plural,
        language=translation.language,
        verdict_text=wording.verdict_text,
        plot_top=PLOT_TOP,
        plot_height=PLOT_HEIGHT,
        line_width=LINE_WIDTH,
    )
    return templates
