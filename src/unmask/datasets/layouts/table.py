"""A table of one's own: a CSV or Parquet file with a row per video, its path and its label.

Nothing is guessed: a label that is none of `real`, `fake`, `0` and `1` (1 means fake), a path
outside of the table's folder or a value that is not understood is an error with its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.layouts.layout import FolderContents, Layout
from unmask.datasets.layouts.lists import read_cells
from unmask.datasets.manifest import Kind, Label, Split, VideoRecord
from unmask.system.parquet import read_errors, read_table
from unmask.system.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES

LABELS: dict[str, Label] = {"real": "real", "fake": "fake", "0": "real", "1": "fake"}
"""Labels by how they may be written, in small or capital letters."""
SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
REQUIRED = ("path", "label")
OPTIONAL = (
    "method", "target", "source", "identity", "person", "identities", "split", "compression",
    "mask", "part",
)  # fmt: skip
TABLE_SUFFIXES = (".csv", ".parquet")
_HINT = "correct the table; `unmask data layouts table` shows what it may hold"


@dataclass(frozen=True)
class Row:
    """One row of the table, with its place for messages."""

    place: str
    """Such as `'clips.csv', row 3`."""
    values: Mapping[str, Any]
    """Cells by column."""
    hint: str = _HINT
    """What to do where it is wrong."""

    def text(self, column: str) -> str | None:
        """Return a cell as text without spaces at its ends; None where it is empty or absent."""
        value = self.values.get(column)
        return (str(value).strip() or None) if value is not None else None

    def wrong(self, what: str, allowed: str) -> ManifestError:
        """Make the error for this row."""
        return ManifestError(f"{self.place}: {what}; {allowed}", hint=self.hint)


def index(path: Path) -> FolderContents:
    """Read a table, or the one table in a folder; paths count from the table's folder.

    Raises:
        InputNotFound: no such file or folder.
        ManifestError: no table or several, a column is missing, or a row is wrong.
    """
    table = _table_at(path)
    columns, rows = _read_rows(table)
    if missing := [name for name in REQUIRED if name not in columns]:
        raise ManifestError(
            f"{str(table)!r} has no column {missing[0]!r}, its columns are "
            f"{', '.join(columns)[:200]!r}; its first line names them, separated by commas",
            hint=_HINT,
        )
    if not rows:
        raise ManifestError(f"{str(table)!r} has no rows", hint=_HINT)
    names = _ids(rows, table.parent)
    reals = {
        name: f"table/{table.resolve().parent.name}/{name}"
        for name, row in names.items()
        if _label(row) == "real" and row.text("target") is None
    }
    records = tuple(_record(name, row, reals, table.parent) for name, row in names.items())
    return FolderContents(records, (), _warnings(records, columns))


def _table_at(path: Path) -> Path:
    if path.is_file():
        if path.suffix.lower() in TABLE_SUFFIXES:
            return path
        raise ManifestError(f"{str(path)!r} is no table: not .csv or .parquet", hint=_HINT)
    if not path.is_dir():
        raise InputNotFound(f"no file {str(path)!r}", hint="name a CSV or Parquet file")
    tables = sorted(each for each in path.iterdir() if each.suffix.lower() in TABLE_SUFFIXES)
    if len(tables) != 1:
        raise ManifestError(
            f"{str(path)!r} has {len(tables)} tables, expected one .csv or .parquet",
            hint="name the file itself",
        )
    return tables[0]


def _read_rows(table: Path) -> tuple[list[str], list[Row]]:
    """Return columns and rows, numbered from 1 without the header line."""
    if table.suffix.lower() == ".csv":
        return _read_csv(table)
    content = read_table(table, hint=_HINT)
    with read_errors(table, hint=_HINT):
        return content.column_names, [
            Row(f"{table.name!r}, row {number}", values)
            for number, values in enumerate(content.to_pylist(), start=1)
        ]


def _read_csv(table: Path) -> tuple[list[str], list[Row]]:
    lines = read_cells(table)
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    rows = []
    for number, (line, cells) in enumerate(lines[1:], start=1):
        values = dict(zip(header, cells, strict=False))  # a short line leaves cells empty
        row = Row(f"{table.name!r}, row {number} (line {line})", values)
        if len(cells) > len(header):
            raise row.wrong("more cells than the header has columns", "put commas in quotes")
        rows.append(row)
    return header, rows


def _ids(rows: list[Row], folder: Path) -> dict[str, Row]:
    """Return the rows by id, in their order; an id twice is an error."""
    rows_by_id: dict[str, Row] = {}
    for row in rows:
        name = _below(row, "path", folder)
        if name is None:
            raise row.wrong("no path", "every row needs one")
        if name in rows_by_id:
            raise row.wrong(f"the path {name!r} again", f"it is that of {rows_by_id[name].place}")
        rows_by_id[name] = row
    return rows_by_id


def _below(row: Row, column: str, folder: Path) -> str | None:
    """Return a path as it is below the table's folder."""
    text = row.text(column)
    if text is None:
        return None
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() and path.is_relative_to(folder.resolve().as_posix()):
        path = path.relative_to(folder.resolve().as_posix())
    if path.is_absolute() or ".." in path.parts or path.as_posix() == ".":
        raise row.wrong(
            f"the {column} {text!r}", f"it must lie below the table's folder {str(folder)!r}"
        )
    return path.as_posix()


def _label(row: Row) -> Label:
    text = row.text("label")
    if text is None or text.lower() not in LABELS:
        raise row.wrong(
            f"the label {text!r}", "labels are real or 0 and fake or 1: here 1 means fake"
        )
    return LABELS[text.lower()]


def _record(name: str, row: Row, reals: Mapping[str, str], folder: Path) -> VideoRecord:
    label, method = _label(row), row.text("method")
    if label == "real" and method is not None:
        raise row.wrong(f"the method {method!r} of a real", "reals have none")
    return VideoRecord(
        id=name,
        dataset="table",
        label=label,
        method=method,
        target=_footage(row, "target", reals) or reals.get(name),
        source=_footage(row, "source", reals),
        identities=parse_identities(row),
        part=row.text("part"),
        split=parse_split(row),
        compression=row.text("compression"),
        mask=_below(row, "mask", folder),
        kind=_kind(row, name),
    )


def _footage(row: Row, column: str, reals: Mapping[str, str]) -> str | None:
    """Return a footage key: that of a real row whose path is named, or the text as it stands."""
    text = row.text(column)
    return None if text is None else reals.get(PurePosixPath(text).as_posix(), text)


def parse_identities(row: Row) -> tuple[str, ...]:
    """Return the persons of a row, each once: a list, or texts with `;` between."""
    many = row.values.get("identities")
    if isinstance(many, list):
        named = [str(each) for each in many if each is not None]
    else:
        listed = (row.text("identities") or "").split(";")
        named = [row.text("identity") or row.text("person") or "", *listed]
    return tuple(dict.fromkeys(each.strip() for each in named if each.strip()))


def parse_split(row: Row) -> Split | None:
    """Return the split of a row.

    Raises:
        ManifestError: it is no split.
    """
    text = row.text("split")
    if text is None:
        return None
    if text.lower() not in SPLITS:
        raise row.wrong(f"the split {text!r}", f"splits are {', '.join(SPLITS)}")
    return SPLITS[text.lower()]


def _kind(row: Row, name: str) -> Kind:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in PICTURE_SUFFIXES:
        return "crop"
    if not suffix:
        return "frames"
    raise row.wrong(f"the path {name!r}", "it must be a video, a picture or a folder of frames")


def _warnings(records: tuple[VideoRecord, ...], columns: list[str]) -> tuple[str, ...]:
    return tuple(_warn(records, columns))


def _warn(records: tuple[VideoRecord, ...], columns: list[str]) -> Iterator[str]:
    if unused := [name for name in columns if name not in {*REQUIRED, *OPTIONAL}]:
        yield f"columns that are not used: {', '.join(unused)}"
    orphans = sum(record.label == "fake" and record.target is None for record in records)
    if orphans:
        yield f"{orphans} fakes without a target: splits cannot keep them with their original"
    for label in ("real", "fake"):
        if all(record.label != label for record in records):
            yield f"nothing is {label}"


TABLE = Layout(
    name="table",
    title="A table of one's own (CSV or Parquet)",
    tree="""\
clips.csv            path,label,method,target,source,identities,split,compression,mask,part
videos/a.mp4         (paths count from the table's folder)
videos/b.mp4""",
    where="your own",
    licence="your own",
    kind="video",
    expected=(),
    facts=(
        "Columns path and label are needed; all others may be absent, and a cell may be empty.",
        "Labels are real or 0 and fake or 1: 1 means fake. Anything else is an error.",
        (
            "target (the clip that was changed) and source (whose face was put in) are the path of "
            "a real row, or a key of your own that rows of the same footage share."
        ),
        "identity is one person, identities several, separated by `;`, the one in the video first.",
        "Splits are train, val or validation, and test.",
        (
            "A path with a video's suffix is a video, with a picture's a crop, without one a "
            "folder of frames."
        ),
    ),
    index=index,
)
