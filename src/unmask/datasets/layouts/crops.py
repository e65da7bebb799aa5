"""Crops in Parquet files: our own crop store, or a table of encoded pictures.

A row's id is the file's path, a slash, and the crop's name in it. The pictures stay where they are;
`picture` reads one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unmask.datasets.layouts.layout import Found, Layout, Placed, Unknown, files_below, sort_placed
from unmask.datasets.manifest import VideoRecord
from unmask.errors import InputNotFound, ManifestError

COLUMNS = ("name", "label", "image")
"""Columns that a table of encoded pictures needs."""
OPTIONAL = ("original", "dfdc_part")
_STORE_COLUMNS = (
    "crop_id", "dataset", "label", "method", "target", "source", "identities", "part", "split",
    "fold", "compression",
)  # fmt: skip
_STORE_FILES = ("store.json", "shards")


@dataclass(frozen=True)
class Source:
    """A Parquet file with crops."""

    path: Path
    """The file."""
    inner: str
    """Its path below the data set's folder."""
    store: bool
    """Whether it is a shard of our own crop store."""


def index(path: Path) -> Found:
    """Find the crops in a Parquet file, a crop store, or all Parquet files below a folder.

    Raises:
        InputNotFound: no such file or folder.
        ManifestError: no crops in it, or a label is neither real nor fake.
    """
    files = _files(path)
    placed = [row for file, inner in files for row in _rows(file, inner)]
    records, unknown = sort_placed("crops", path, placed, f"{len(files)} Parquet files there")
    return Found(tuple(records), tuple(unknown), _warnings(path))


def picture(root: Path, crop: str) -> bytes:
    """Return the encoded picture of a row by its id.

    Raises:
        InputNotFound: there is no such crop.
    """
    inner, slash, name = crop.partition(".parquet/")
    path = root / f"{inner}.parquet"
    if not slash or not path.is_file():
        raise InputNotFound(f"no crop {crop!r} below {str(root)!r}", hint="index the folder again")
    key = key_column(path)
    found = pq.read_table(path, columns=["image"], filters=pc.field(key) == name)
    if len(found) != 1:
        raise InputNotFound(
            f"{len(found)} crops named {name!r} in {str(path)!r}", hint="index the folder again"
        )
    image: bytes = found["image"][0].as_py()
    return image


def key_column(path: Path) -> str:
    """Return the column that names the crops of a Parquet file: a store's shard has its own."""
    return "crop_id" if "crop_id" in pq.read_schema(path).names else "name"


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the Parquet files, and their paths below the data set's folder."""
    if path.is_file():
        return [(path, path.name)]
    folder = path / "shards" if all((path / name).exists() for name in _STORE_FILES) else path
    return [(file, file.relative_to(path).as_posix()) for file in files_below(folder, [".parquet"])]


def _rows(file: Path, inner: str) -> Iterator[Placed]:
    try:
        names = set(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError):
        yield Unknown(inner, "not a Parquet file")
        return
    if {*_STORE_COLUMNS, "image"} <= names:
        for row in pq.read_table(file, columns=list(_STORE_COLUMNS)).to_pylist():
            yield _stored(inner, row)
    elif set(COLUMNS) <= names:
        wanted = [name for name in (*COLUMNS, *OPTIONAL) if name in names and name != "image"]
        for row in pq.read_table(file, columns=wanted).to_pylist():
            yield _plain(inner, row)
    else:
        missing = ", ".join(name for name in COLUMNS if name not in names)
        yield Unknown(inner, f"no crops: it has no column {missing}")


def _stored(inner: str, row: dict[str, Any]) -> VideoRecord:
    """Return the row of a crop from our own store; it keeps the data set's name and keys."""
    values = {**row, "identities": tuple(row["identities"] or ())}
    crop = values.pop("crop_id")
    return VideoRecord(id=f"{inner}/{crop}", kind="crop", **values)


def _plain(inner: str, row: dict[str, Any]) -> VideoRecord:
    if row["label"] not in {"real", "fake"}:
        raise ManifestError(
            f"{inner!r}: the crop {row['name']!r} has the label {row['label']!r}, expected 'real' "
            "or 'fake'",
            hint="write these words into the column label",
        )
    part = _part(row.get("dfdc_part"))
    original = row.get("original") or (row["name"] if row["label"] == "real" else None)
    family = f"crops/{inner.removesuffix('.parquet')}" if part is None else "dfdc/clip"
    return VideoRecord(
        id=f"{inner}/{row['name']}",
        dataset="crops",
        label=row["label"],
        target=f"{family}/{original}" if original else None,
        part=part,
        kind="crop",
    )


def _part(told: int | str | None) -> str | None:
    """Return the name of a part of DFDC, whether it is told as a number or as a word."""
    if told is None or told == "":
        return None
    word = str(told)
    return f"dfdc_train_part_{int(word):02d}" if word.isdecimal() else word


def _warnings(path: Path) -> tuple[str, ...]:
    pending = len(list(path.glob("pending/*.parquet"))) if path.is_dir() else 0
    if not pending:
        return ()
    return (f"{pending} videos of the crop store are in no shard yet: finish `data crops` first",)


CROPS = Layout(
    name="crops",
    title="Crops in Parquet files: our own crop store, or a table of encoded pictures",
    tree="""\
store.json shards/00000-HASH.parquet     (made by `unmask data crops`)
or
NAME.parquet                             name,label,image[,original,dfdc_part]""",
    where="`unmask data crops`, or your own",
    licence="that of the data set they were cut from",
    kind="crop",
    expected=(),
    facts=(
        "A row is one crop; its id is FILE.parquet/NAME, and the picture stays in that file.",
        "A table's labels are the words real and fake; `original` is the clip a fake was made of.",
        "With a column dfdc_part, footage keys are those of DFDC, so that audits see both.",
        "Rows of a crop store keep the keys, methods and splits of the manifest they come from.",
    ),
    index=index,
)
