"""A result store as one file: CSV, Parquet, lines, or the JSON that `scan --json` writes.

Each is written in bounded memory, whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from unmask.core.scan_record import SCHEMA_VERSION, Failure
from unmask.results.index import Choice, Ranking
from unmask.results.lines import CSV_COLUMNS, csv_text, ndjson_failure
from unmask.results.rows import FileRow, schema_of
from unmask.results.shards import write_rows
from unmask.results.store import ResultStore
from unmask.system.files import write_whole

OTHER_PATHS = "other_paths"
"""Column that a view has besides those of a row: where else the same content was seen."""


def chosen_rows(ranking: Ranking, choice: Choice) -> Iterator[FileRow]:
    """Yield the chosen files, the most suspicious first; failures last, where all are chosen."""
    everything = choice == Choice()
    return chain(ranking.analysed(choice), ranking.failed() if everything else ())


def write_csv(path: Path, ranking: Ranking, choice: Choice) -> None:
    """Write the chosen files as CSV.

    Raises:
        OSError: it cannot be written.
    """

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8", newline="") as file:
            csv_to(file, ranking, choice)

    write_whole(path, write)


def csv_to(file: IO[str], ranking: Ranking, choice: Choice) -> None:
    """Write the chosen files as CSV to an open file."""
    file.write(csv_text([*CSV_COLUMNS, OTHER_PATHS]))
    for row in chosen_rows(ranking, choice):
        others = list(ranking.other_paths(row))
        values = [json.dumps(v) if isinstance(v, tuple) else v for v in vars(row).values()]
        file.write(csv_text([*values, json.dumps(others)]))


def write_parquet(path: Path, ranking: Ranking, choice: Choice) -> None:
    """Write the chosen files as Parquet.

    Raises:
        OSError: it cannot be written.
    """
    texts = pa.list_(pa.string())
    schema = schema_of(FileRow).append(pa.field(OTHER_PATHS, texts, nullable=False))

    def rows() -> Iterator[dict[str, Any]]:
        for row in chosen_rows(ranking, choice):
            yield {**asdict(row), OTHER_PATHS: ranking.other_paths(row)}

    write_rows(path, schema, rows())


def write_json(path: Path, store: ResultStore, ranking: Ranking, choice: Choice) -> None:
    """Write the chosen results as one JSON document, in the order in which they were stored.

    Raises:
        OSError: it cannot be written.
    """

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8") as file:
            json_to(file, store, ranking, choice)

    write_whole(path, write)


def json_to(file: IO[str], store: ResultStore, ranking: Ranking, choice: Choice) -> None:
    """Write the same to an open file."""
    file.write(f'{{\n  "schema_version": {json.dumps(SCHEMA_VERSION)},\n  "results": [')
    before = "\n"
    examinations: list[Any] = []
    for _, text in chosen_documents(store, ranking, choice):
        document = json.loads(text)
        (record,) = document["results"]
        if (examination := document.get("examination")) not in examinations:
            examinations.append(examination)
        file.write(before + _indented(record))
        before = ",\n"
    file.write('\n  ],\n  "failures": [')
    before = "\n"
    for failure in _chosen_failures(ranking, choice):
        file.write(before + _indented(asdict(failure)))
        before = ",\n"
    shared = examinations[0] if len(examinations) == 1 else None
    file.write(f'\n  ],\n  "examination": {json.dumps(shared)}\n}}\n')


def write_ndjson(path: Path, store: ResultStore, ranking: Ranking, choice: Choice) -> None:
    """Write the chosen files as lines, a document each, as `scan --ndjson` does.

    Raises:
        OSError: it cannot be written.
    """

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8") as file:
            ndjson_to(file, store, ranking, choice)

    write_whole(path, write)


def ndjson_to(file: IO[str], store: ResultStore, ranking: Ranking, choice: Choice) -> None:
    """Write the same to an open file."""
    for _, text in chosen_documents(store, ranking, choice):
        file.write(json.dumps(json.loads(text), separators=(",", ":")) + "\n")
    for failure in _chosen_failures(ranking, choice):
        file.write(ndjson_failure(failure))


def _chosen_failures(ranking: Ranking, choice: Choice) -> Iterator[Failure]:
    """Yield why files were not analysed, where all files are chosen."""
    for row in ranking.failed() if choice == Choice() else ():
        yield Failure(row.path, row.error or "", row.hint or "", row.error_kind)


def chosen_documents(
    store: ResultStore, ranking: Ranking, choice: Choice
) -> Iterator[tuple[str, str]]:
    """Yield the id and the JSON of each chosen result, in the order in which they were stored."""
    for result_id, document in store.documents():
        if ranking.is_chosen(result_id, choice):
            yield result_id, document


def _indented(value: object) -> str:
    text = json.dumps(value, indent=2)
    return "\n".join(f"    {line}" for line in text.split("\n"))
