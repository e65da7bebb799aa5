"""Reading the lists and metadata files that come with a data set, which may be damaged or hostile.

All of them are text; each is refused with its name and what was expected when it is not of the
shape that the data set's own copy has. No line is taken for a header unless the format has one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from unmask.core.errors import ManifestError

MAX_BYTES = 256 * 2**20
"""Larger lists are refused; the largest of a known data set (DFDC's tables) are below 64 MiB."""
HINT = "get a fresh copy of this file from the data set's publisher"

_T = TypeVar("_T", dict, list)  # type: ignore[type-arg] # the shapes of a JSON file's top level


def find_list(root: Path, name: str, folders: Iterable[str] = ("",)) -> Path | None:
    """Return the first of `root/folder/name` that is a file."""
    return next((path for f in folders if (path := Path(root, f, name)).is_file()), None)


def read_text(path: Path) -> str:
    """Return a list's text, without the mark that some editors put first.

    Raises:
        ManifestError: too large, not UTF-8, or not to be read.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ManifestError(
                f"{str(path)!r} has {size} bytes; a list has at most {MAX_BYTES}", hint=HINT
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{str(path)!r} is not text in UTF-8", hint=HINT) from error
    except OSError as error:
        raise ManifestError(
            f"cannot read {str(path)!r}: {error.strerror}", hint="check the file's permissions"
        ) from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that are not blank, without spaces at their ends, with their numbers."""
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def read_json(path: Path, shape: type[_T]) -> _T:
    """Return what a JSON file holds.

    Raises:
        ManifestError: not JSON, or its top level is not of that shape.
    """
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise ManifestError(f"{str(path)!r} is not JSON: {reason}", hint=HINT) from error
    if not isinstance(document, shape):
        raise ManifestError(
            f"{str(path)!r} holds a JSON {type(document).__name__}, expected a {shape.__name__}",
            hint=HINT,
        )
    return document


def read_csv(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a table with a header line, those columns only.

    Raises:
        ManifestError: not a table, a column is missing, or a row is short.
    """
    header = list(columns)
    try:
        reader = csv.DictReader(read_text(path).splitlines())
        missing = [name for name in header if name not in (reader.fieldnames or ())]
        if missing:
            raise ManifestError(
                f"{str(path)!r} has no column {missing[0]!r}; its first line must name the "
                f"columns {', '.join(header)}",
                hint=HINT,
            )
        rows = [{name: row[name] for name in header} for row in reader]
    except csv.Error as error:
        raise ManifestError(f"{str(path)!r} is not a table: {error}", hint=HINT) from error
    if short := next((n for n, row in enumerate(rows, 2) if None in row.values()), None):
        raise ManifestError(f"{str(path)!r}, line {short}: too few columns", hint=HINT)
    return rows


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of a table's lines that are not blank, each with its line's number.

    Raises:
        ManifestError: not a table.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    try:
        return [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ManifestError(f"{str(path)!r} is not a table: {error}", hint=HINT) from error


def read_field(entry: object, key: str, path: Path) -> str:
    """Return a text from an entry of a JSON file.

    Args:
        entry: what should be an object.
        key: which of its values.
        path: the file, for the message.

    Raises:
        ManifestError: the entry is no object, or the value is absent or no text.
    """
    if not isinstance(entry, dict):
        raise ManifestError(
            f"{str(path)!r} has an entry that is a {type(entry).__name__}, expected an object",
            hint=HINT,
        )
    value = entry.get(key)
    if not isinstance(value, str):
        raise ManifestError(
            f"{str(path)!r} has an entry whose {key!r} is {str(value)[:60]!r}, expected a text",
            hint=HINT,
        )
    return value
