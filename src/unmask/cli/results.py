"""`unmask results`: what it takes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.runs.results import ResultFiles, parse_word, show_failures, show_table

_ROWS_SHOWN = 50


def results(  # noqa: PLR0917 - the parameters are the options
    store: Annotated[
        Path, typer.Argument(help="Folder that `scan -o` made, or its address.", show_default=False)
    ],
    above: Annotated[
        float | None,
        typer.Option(help="Only files whose probability is at least this, 0 to 1."),
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Only files with this word, such as 'some evidence'.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Lines of the table on the screen; files have all.")
    ] = _ROWS_SHOWN,
    failures: Annotated[
        bool, typer.Option("--failures", help="Show why files were not analysed instead.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file; - prints it.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the JSON of `scan --json`; - prints it.")
    ] = None,
    ndjson: Annotated[
        Path | None, typer.Option(help="Write a line a file, as `scan --ndjson`; - prints them.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report of `scan --report`, an HTML file.")
    ] = None,
    report_dir: Annotated[
        Path | None,
        typer.Option(help="Write a page for each file and index.html, with search, to a folder."),
    ] = None,
) -> None:
    """Show a store of results, the most suspicious first.

    A scan may be writing to it meanwhile. Without --above and --verdict, files that were not
    analysed are in the files too.
    """
    from unmask.results.index import Choice
    from unmask.results.shards import copied
    from unmask.results.store import ResultStore
    from unmask.system.store_folders import read_folder

    choice = Choice(above, parse_word(verdict))
    files = ResultFiles(csv, parquet, json, ndjson, report, report_dir)
    files.check()
    with (
        read_folder(store, copied(files.tables)) as folder,
        closing((opened := ResultStore(folder)).ranking()) as ranking,
    ):
        files.write(opened, ranking, choice)
        if not files.to_stdout:
            show_failures(ranking) if failures else show_table(ranking, choice, most)
