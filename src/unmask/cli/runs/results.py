"""Running `unmask results`: a store as a table, CSV, Parquet, JSON, lines or pages."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unmask.cli.inputs import refuse_addresses, refuse_overwriting, require_suffix
from unmask.core.errors import InputError
from unmask.core.text import visible
from unmask.system.files import check_parent_folder

if TYPE_CHECKING:
    from unmask.results.index import Choice, Ranking
    from unmask.results.rows import FileRow
    from unmask.results.store import ResultStore


_NAMES_SHOWN = 3
"""Files that are named of each kind of failure."""


@dataclass(frozen=True)
class ResultFiles:
    """What is written besides the table."""

    csv: Path | None
    parquet: Path | None
    json: Path | None
    ndjson: Path | None
    report: Path | None
    report_dir: Path | None

    @property
    def to_stdout(self) -> bool:
        """Whether standard output is that of a file."""
        return any(str(each) == "-" for each in (self.csv, self.json, self.ndjson))

    @property
    def tables(self) -> tuple[str, ...]:
        """What is read of a store besides its files."""
        if self.report is not None or self.report_dir is not None:
            return ("documents", "pages")
        return ("documents",) if self.json is not None or self.ndjson is not None else ()

    def check(self) -> None:
        """Refuse before anything is read what could not be written."""
        printed = [each for each in (self.csv, self.json, self.ndjson) if str(each) == "-"]
        if len(printed) > 1:
            raise ValueError("only one of --csv, --json and --ndjson can go to standard output")
        if str(self.report) == "-":
            raise ValueError("--report needs a file")
        files = (self.csv, self.parquet, self.json, self.ndjson, self.report)
        named = [each for each in files if each is not None]
        paths = [each for each in named if str(each) != "-"]
        refuse_addresses([*paths, *([] if self.report_dir is None else [self.report_dir])])
        if self.parquet is not None:
            require_suffix(self.parquet, [".parquet"], what="Parquet file")
        for path in paths:
            check_parent_folder(path)
        refuse_overwriting(paths, [])
        if self.report_dir is not None:
            _check_report_folder(self.report_dir)

    def write(self, store: ResultStore, ranking: Ranking, choice: Choice) -> None:
        """Write them."""
        from unmask.results import views

        if self.csv is not None and str(self.csv) == "-":
            views.csv_to(sys.stdout, ranking, choice)
        elif self.csv is not None:
            views.write_csv(self.csv, ranking, choice)
        if self.parquet is not None:
            views.write_parquet(self.parquet, ranking, choice)
        if self.json is not None and str(self.json) == "-":
            views.json_to(sys.stdout, store, ranking, choice)
        elif self.json is not None:
            views.write_json(self.json, store, ranking, choice)
        if self.ndjson is not None and str(self.ndjson) == "-":
            views.ndjson_to(sys.stdout, store, ranking, choice)
        elif self.ndjson is not None:
            views.write_ndjson(self.ndjson, store, ranking, choice)
        if self.report is not None:
            from unmask.results.pages import write_report

            write_report(self.report, store, ranking, choice)
        if self.report_dir is not None:
            from unmask.results.pages import write_pages

            count = write_pages(self.report_dir, store, ranking, choice)
            sys.stderr.write(f"note: wrote {self.report_dir / 'index.html'} and pages: {count}\n")


def _check_report_folder(folder: Path) -> None:
    """Refuse a folder in which pages would lie among other files."""
    if folder.is_file():
        raise InputError(f"{str(folder)!r} is a file", hint="name a folder for the pages")
    check_parent_folder(folder)
    others = {each.name for each in folder.glob("*")} - {"index.html", "pages"}
    if others:
        raise InputError(
            f"{str(folder)!r} holds other files, such as {min(others)!r}",
            hint="name a new or an empty folder",
        )


def parse_word(verdict: str | None) -> str | None:
    """Return the verdict's word that is meant, which may be shortened to its beginning."""
    from unmask.report.wording import WORDS

    if verdict is None:
        return None
    meant = [word for word in WORDS if word.startswith(verdict.lower().strip())]
    if len(meant) != 1:
        raise ValueError(f"--verdict is one of {', '.join(WORDS)}, got {verdict!r}")
    return meant[0]


def show_table(ranking: Ranking, choice: Choice, most: int) -> None:
    """Print a table of the chosen files, and what there is besides."""
    from unmask.results.pages import probability_text

    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else None
    shown = 0
    for row in islice(ranking.analysed(choice), most):
        shown += 1
        text = probability_text(row).replace("\u00a0", " ")
        typer.echo(_cut(f"{row.word or '':20}  {text:28}  {_name_file(ranking, row)}", width))
    counts = ranking.counts()
    analysed = sum(count for word, count in counts.items() if word != "failed")
    message = ", ".join(f"{word}: {count}" for word, count in sorted(counts.items()))
    sys.stderr.write(f"note: {shown} shown; analysed: {analysed} ({message})\n")
    if counts.get("failed"):
        sys.stderr.write("hint: --failures says why files were not analysed\n")


def _name_file(ranking: Ranking, row: FileRow) -> str:

    others = ranking.other_paths(row)
    also = f" (also {', '.join(others)})" if others else ""
    return visible(f"{row.path}{also}")


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 3]}..."


def show_failures(ranking: Ranking) -> None:
    """Print the failures by kind: how many, and some of them with the reason and what to do."""
    kind, count = None, 0
    for row in ranking.failed():
        if row.error_kind != kind:
            _tell_rest(count)
            kind, count = row.error_kind, 0
            typer.echo(f"{kind}:")
        count += 1
        if count <= _NAMES_SHOWN:
            typer.echo(f"  {visible(row.path)}: {visible(row.error or '')}")
            typer.echo(f"    hint: {visible(row.hint or '')}")
    _tell_rest(count)
    if kind is None:
        typer.echo("no file failed")


def _tell_rest(count: int) -> None:
    if count > _NAMES_SHOWN:
        typer.echo(f"  and {count - _NAMES_SHOWN} more")
