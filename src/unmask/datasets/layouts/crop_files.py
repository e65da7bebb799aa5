"""Crops in Parquet files: our own crop store, or a table of encoded pictures.

A row's id is the file's path, a slash, and the crop's name in it. The pictures stay where they are;
`picture` reads one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.layouts.crop_table import REQUIRED, TableCrop, read_crop_table
from unmask.datasets.layouts.layout import (
    FolderContents,
    Layout,
    Placed,
    Unknown,
    files_below,
    sort_placed,
)
from unmask.datasets.manifest import VideoRecord, with_shared_values
from unmask.system.parquet import CROPS_HINT, column_names, read_errors, read_table

_STORE_COLUMNS = (
    "crop_id", "dataset", "label", "method", "target", "source", "identities", "part", "split",
    "fold", "compression",
)  # fmt: skip
_ROWS = 10_000
_STORE_FILES = ("store.json", "shards")
IN_PARQUET = ".parquet/"
"""What parts the path of the file from the name of the crop in an id."""


@dataclass(frozen=True)
class Source:
    """A Parquet file with crops."""

    path: Path
    """The file."""
    inner: str
    """Its path below the data set's folder."""
    store: bool
    """Whether it is a shard of our own crop store."""


def index(path: Path) -> FolderContents:
    """Find the crops in a Parquet file, a crop store, or all Parquet files below a folder.

    Raises:
        InputNotFound: no such file or folder.
        ManifestError: no crops in it, or a row is wrong.
    """
    files = _files(path)
    warnings = _warnings(path)
    placed = [row for file, inner in files for row in _rows(file, inner, warnings)]
    records, unknown = sort_placed("crops", path, placed, f"{len(files)} Parquet files there")
    return FolderContents(tuple(records), tuple(unknown), tuple(warnings))


def make_record(inner: str, row: TableCrop) -> VideoRecord:
    """Return the manifest's row of a crop in a table.

    Args:
        inner: path of the table below the data set's folder.
        row: the crop.
    """
    part = _part(row.dfdc_part)
    family = f"crops/{inner.removesuffix('.parquet')}" if part is None else "dfdc/clip"
    return VideoRecord(
        id=f"{inner}/{row.name}",
        dataset=row.dataset or "crops",
        label=row.label,
        method=row.method,
        target=f"{family}/{row.footage}" if row.footage else None,
        source=f"{family}/{row.source}" if row.source else None,
        identities=row.identities,
        part=part,
        split=row.split,
        kind="crop",
    )


def file_path(row: str) -> str:
    """Return the path of the file that holds a row, by the row's id: for a crop its table."""
    inner, slash, _ = row.partition(IN_PARQUET)
    return f"{inner}.parquet" if slash else row


def picture(root: Path, crop: str) -> bytes:
    """Return the encoded picture of a row by its id.

    Raises:
        InputNotFound: there is no such crop.
    """
    name = crop.partition(IN_PARQUET)[2]
    path = root / file_path(crop)
    if not name or not path.is_file():
        raise InputNotFound(f"no crop {crop!r} below {str(root)!r}", hint="index the folder again")
    encoded = pictures_in(path).get(name)
    if encoded is None:
        raise InputNotFound(
            f"no crop {name!r} with a picture in {str(path)!r}", hint="index the folder again"
        )
    return encoded


class Pictures:
    """The encoded pictures of a Parquet file by the names of their crops.

    A row group is read when one of its pictures is asked for, and the last of them is kept: only
    so much is in memory, whatever the file's size.

    Args:
        path: a shard of a crop store, whose crops have ids, or a table, whose crops have names.

    Raises:
        ManifestError: it cannot be read, or two crops have the same name.
    """

    def __init__(self, path: Path) -> None:
        with read_errors(path, hint=CROPS_HINT):
            # not read ahead, which would take the group's size once more
            self._file = pq.ParquetFile(path, pre_buffer=False)
            key = "crop_id" if "crop_id" in self._file.schema_arrow.names else "name"
            names = self._file.read(columns=[key])[key]
            self._places = {str(name): at for at, name in enumerate(names.to_pylist())}
        groups = range(self._file.num_row_groups)
        self._ends = list(accumulate(self._file.metadata.row_group(n).num_rows for n in groups))
        self._group = -1
        self._images: Any = None
        if len(self._places) < len(names):
            raise ManifestError(
                f"crops of {str(path)!r} have the same name", hint=f"correct the column {key}"
            )

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"Pictures({len(self._places)})"

    def get(self, name: str) -> bytes | None:
        """Return the picture of a crop; None where there is no such crop, or it has none."""
        at = self._places.get(name)
        if at is None:
            return None
        group = bisect_right(self._ends, at)
        if group != self._group:
            self._images = None  # before the next one is read
            self._images = self._file.read_row_group(group, columns=["image"])["image"]
            self._group = group
        begin = self._ends[group - 1] if group else 0
        encoded: bytes | None = None if self._images is None else self._images[at - begin].as_py()
        return encoded


def pictures_in(path: Path) -> Pictures:
    """Return the pictures of a Parquet file; those of the last two files are kept in memory.

    Raises:
        ManifestError: it cannot be read, or two crops have the same name.
    """
    return _pictures_in(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _pictures_in(path: Path, _modified_ns: int) -> Pictures:
    return Pictures(path)


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the Parquet files, and their paths below the data set's folder."""
    if path.is_file():
        return [(path, path.name)]
    folder = path / "shards" if all((path / name).exists() for name in _STORE_FILES) else path
    return [(file, file.relative_to(path).as_posix()) for file in files_below(folder, [".parquet"])]


def _rows(file: Path, inner: str, warnings: list[str]) -> Iterator[Placed]:
    try:
        names = set(column_names(file, hint=CROPS_HINT))
    except ManifestError:
        yield Unknown(inner, "not a Parquet file")
        return
    if {*_STORE_COLUMNS, "image"} <= names:
        with read_errors(file, hint=CROPS_HINT):
            table = read_table(file, columns=_STORE_COLUMNS, hint=CROPS_HINT)
            rows = (row for batch in table.to_batches(_ROWS) for row in batch.to_pylist())
            placed = [_make_stored_record(inner, row) for row in with_shared_values(rows)]
        yield from placed
    elif set(REQUIRED) <= names:
        table = read_crop_table(file)
        warnings += [f"{inner}: {warning}" for warning in table.warnings]
        yield from (make_record(inner, row) for row in table.rows)
    else:
        missing = ", ".join(name for name in REQUIRED if name not in names)
        yield Unknown(inner, f"no crops: it has no column {missing}")


def _make_stored_record(inner: str, row: dict[str, Any]) -> VideoRecord:
    """Return the row of a crop from our own store; it keeps the data set's name and keys."""
    values = dict(row)
    crop = values.pop("crop_id")
    return VideoRecord(id=f"{inner}/{crop}", kind="crop", **values)


def _part(name: str | None) -> str | None:
    """Return the name of a part of DFDC, whether it is told as a number or as a word."""
    return f"dfdc_train_part_{int(name):02d}" if name and name.isdecimal() else name


def _warnings(path: Path) -> list[str]:
    pending = len(list(path.glob("pending/*.parquet"))) if path.is_dir() else 0
    if not pending:
        return []
    return [f"{pending} videos of the crop store are in no shard yet: finish `data crops` first"]


CROPS = Layout(
    name="crops",
    title="Crops in Parquet files: our own crop store, or a table of encoded pictures",
    tree="""\
store.json shards/00000-HASH.parquet     (made by `unmask data crops`)
or
NAME.parquet                             name,label,image[,original,source,video,frame,method,
                                         identities,split,dfdc_part]""",
    where="`unmask data crops`, or your own",
    licence="that of the data set they were cut from",
    kind="crop",
    expected=(),
    facts=(
        "A row is one crop; its id is FILE.parquet/NAME, and the picture stays in that file.",
        "A table's labels are the words real and fake; `original` is the clip a fake was made of.",
        "Its `source` is the clip that was put in, its `video` the one that a crop was cut from.",
        "With a column dfdc_part, footage keys are those of DFDC, so that audits see both.",
        "Rows of a crop store keep the keys, methods and splits of the manifest they come from.",
    ),
    index=index,
)
