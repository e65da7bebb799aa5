"""A table of crops: a Parquet file with an encoded picture in each row, and what its columns mean.

Training, `predict`, the studies and the layout `crops` all read such files here, so that one file
means the same to each of them. The pictures are left where they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.face import Box
from unmask.datasets.layouts.table import Row, parse_identities, parse_split
from unmask.datasets.manifest import Label, Split
from unmask.system.parquet import column_names, read_errors, read_table

REQUIRED = ("name", "label", "image")
"""Columns that are needed."""
OPTIONAL = (
    "original", "source", "video", "frame", "method", "identities", "identity", "person", "split",
    "dfdc_part", "face_px", "face_box", "landmarks", "rendered", "dataset", "licence",
)  # fmt: skip
"""Columns that may be there."""
LANDMARK_NUMBERS = (10, 158)
"""Numbers in `landmarks`: two for each of 5 or 79 points."""
HINT = f"a table of crops has the columns {', '.join(REQUIRED)}, may have {', '.join(OPTIONAL)}"


@dataclass(frozen=True, slots=True)
class TableCrop:
    """What a table tells of one crop."""

    name: str
    """Name of the crop."""
    label: Label
    """`real` or `fake`."""
    video: str
    """The video that it was cut from; its own name where none is told."""
    footage: str | None
    """The clip that was changed, or that a real shows: `original`, else the video; None for a fake
    of which neither is told."""
    source: str | None
    """The clip that was put in; None where it is not told."""
    frame: int | None
    """Position in its video; None where it is not told."""
    method: str | None
    """Manipulation method; None for reals."""
    identities: tuple[str, ...]
    """The persons, the one in the video first."""
    split: Split | None
    """Split."""
    dfdc_part: str | None
    """Part of DFDC, as it is told."""
    dataset: str | None = None
    """Name of the data set that it comes from; None where it is not told."""
    face_px: float | None = None
    """Shorter side of the face box, pixels of the frame; None where it is not told."""
    face_box: Box | None = None
    """XYXY box of the face, pixels of the crop; None where it is not told."""
    landmarks: tuple[float, ...] | None = None
    """x and y in turn of five points (eyes, nose, corners of the mouth) or of 79 (the usual 68 and
    eleven along the forehead), pixels of the crop; None where they are not told."""


@dataclass(frozen=True)
class CropTable:
    """A table of crops without its pictures."""

    rows: tuple[TableCrop, ...]
    """The crops in the order of the file."""
    unread: tuple[str, ...]
    """Columns that mean nothing here."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know."""
        if not self.unread:
            return ()
        return (f"columns that are not used: {', '.join(self.unread)}",)


def read_crop_table(path: Path) -> CropTable:
    """Read a table of crops, all but the pictures.

    Raises:
        InputNotFound: there is no such file.
        ManifestError: it is no Parquet file, a column is missing, or a row is wrong.
    """
    if not path.is_file():
        raise InputNotFound(
            f"no crops {str(path)!r}", hint="give a crop store's folder or a Parquet file"
        )
    names = column_names(path, hint=HINT)
    if missing := [name for name in REQUIRED if name not in names]:
        raise ManifestError(f"{str(path)!r} has no column {missing[0]!r}", hint=HINT)
    known = {*REQUIRED, *OPTIONAL}
    pictures = {"image", "rendered"}
    columns = [n for n in names if n in known - pictures]
    table = read_table(path, columns=columns, hint=HINT)
    _check_frames(path, table)
    with read_errors(path, hint=HINT):
        rows = tuple(
            _row(Row(f"{str(path)!r}, row {number}", values, HINT))
            for number, values in enumerate(table.to_pylist(), start=1)
        )
    return CropTable(rows, tuple(name for name in names if name not in known))


def _check_frames(path: Path, table: pa.Table) -> None:
    if "frame" not in table.column_names:
        return
    frames = table["frame"]
    if not pa.types.is_integer(frames.type) or frames.null_count:
        raise ManifestError(
            f"{str(path)!r}: frames are whole numbers, one for each crop; got {frames.type} with "
            f"{frames.null_count} missing",
            hint="rewrite the column `frame`, or leave it out",
        )


def _row(row: Row) -> TableCrop:
    name, label = row.values["name"], row.values["label"]
    if name in {None, ""}:
        raise row.wrong("no name", "every crop needs one")
    if label not in {"real", "fake"}:
        raise row.wrong(f"the label {label!r} of the crop {name!r}", "labels are 'real' or 'fake'")
    video = row.text("video")
    return TableCrop(
        name=str(name),
        label=label,
        video=video or str(name),
        footage=row.text("original") or video or (str(name) if label == "real" else None),
        source=row.text("source"),
        frame=row.values.get("frame"),
        method=row.text("method") if label == "fake" else None,
        identities=parse_identities(row),
        split=parse_split(row),
        dfdc_part=row.text("dfdc_part"),
        dataset=row.text("dataset"),
        face_px=_number(row, "face_px"),
        face_box=_box(row),
        landmarks=_numbers(row, "landmarks", LANDMARK_NUMBERS),
    )


def _number(row: Row, column: str) -> float | None:
    value = row.values.get(column)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        raise row.wrong(f"{column} {str(value)[:40]!r}", "it is a number") from None


def _box(row: Row) -> Box | None:
    numbers = _numbers(row, "face_box", (4,))
    if numbers is None:
        return None
    x0, y0, x1, y1 = numbers
    return x0, y0, x1, y1


def _numbers(row: Row, column: str, allowed: tuple[int, ...]) -> tuple[float, ...] | None:
    """Return a list of finite numbers of an allowed length, or None where there is none."""
    values = row.values.get(column)
    if values is None:
        return None
    try:
        numbers = tuple(map(float, values))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) not in allowed or not all(map(math.isfinite, numbers)):
        lengths = " or ".join(map(str, allowed))
        raise row.wrong(f"{column} {str(values)[:40]}", f"it holds {lengths} finite numbers")
    return numbers
