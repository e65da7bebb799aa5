"""The crops of a Parquet file of pictures: what `CropDataset` is for stores.

What the columns mean stands in `datasets.layouts.crop_table`. The pictures of tables are read one
after the other, as files of any program may be compressed; whoever wants them in any order has them
in memory. It can be pickled and forked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.crops.columns import Texts
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.record import Crop, CropRecord
from unmask.datasets.layouts.crop_table import HINT, TableCrop, read_crop_table
from unmask.system.files import file_sha256
from unmask.system.parquet import CROPS_HINT, batches, column_names, read_errors

_ROWS_AT_A_TIME = 128
_log = logging.getLogger(__name__)


class PictureTable:
    """Crops of a table by position.

    Args:
        path: a Parquet file with name, label and image.

    Raises:
        InputNotFound: there is no such file.
        ManifestError: it is no table of crops, holds none, or a row is wrong.
    """

    licence: str | None = None
    """A table tells no terms."""
    leak: str | None = None
    """Nor how its splits were made."""
    margin_ratio: float | None = None
    """Nor how its pictures are framed."""
    total_left_out = 0
    """Nor which faces may not be the forged ones, so that none is left out."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        table = read_crop_table(self.path)
        if not table.rows:
            raise ManifestError(f"{str(path)!r} holds no crop", hint=HINT)
        for warning in table.warnings:
            _log.warning("%s: %s", self.path.name, warning)
        self.rows = table.rows
        """What the table tells of each crop."""
        self._has_rendered = "rendered" in column_names(self.path, hint=CROPS_HINT)

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.rows)

    def __repr__(self) -> str:
        """Show the size."""
        return f"PictureTable({self.path.name!r}, {len(self)} crops)"

    @property
    def files(self) -> list[Path]:
        """The file that holds the crops."""
        return [self.path]

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` whether each crop is of a fake."""
        return np.array([row.label == "fake" for row in self.rows], dtype=np.bool_)

    def texts(self, name: str) -> Texts:
        """Return a field of `CropRecord` that is a text, of all crops."""
        return Texts.of(self._values(name))

    @property
    def videos(self) -> Texts:
        """The video of each crop: ids of a table say what they may."""
        return self.texts("video_id")

    @property
    def footage(self) -> Texts:
        """Key of the footage in each crop that was changed, else the crop's name."""
        return self.texts("target").or_else(self.texts("name"))

    def hash_content(self) -> str:
        """Return the file's SHA-256."""
        return file_sha256(self.path)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return `(N,)` a field of `CropRecord` that is a number, of all crops; NaN for None."""
        values = (np.nan if value is None else value for value in self._values(name))
        return np.fromiter(values, np.float64, len(self))

    def _values(self, name: str) -> Iterator[Any]:
        """Yield a field of `CropRecord` of all crops, without making their records."""
        if name not in _FIELDS:
            return repeat(None, len(self))
        return (_value(row, name) for row in self.rows)

    def record(self, position: int) -> CropRecord:
        """Return what is known of a crop, without reading its picture."""
        return _make_record(self.rows[position])

    def records(self) -> Iterator[CropRecord]:
        """Yield what is known of the crops in order, without reading a picture."""
        yield from map(_make_record, self.rows)

    def read(self, positions: Sequence[int] | NDArray[np.int64]) -> Iterator[Crop | None]:
        """Yield the crops at ascending positions; None for one that cannot be decoded.

        Raises:
            ManifestError: the file is damaged.
        """
        wanted, first = np.asarray(positions, np.int64), 0
        columns = ("image",)
        for rows in batches(self.path, columns=columns, rows=_ROWS_AT_A_TIME, hint=CROPS_HINT):
            inside = wanted[(wanted >= first) & (wanted < first + len(rows))]
            images = rows.column(0).take(pa.array(inside - first)).to_pylist()
            first += len(rows)
            for position, encoded in zip(inside, images, strict=True):
                yield self._crop(self.rows[position], encoded)

    def _crop(self, row: TableCrop, encoded: bytes | None) -> Crop | None:
        try:
            pixels = np.asarray(decode_picture(encoded))
        except ManifestError:
            return None
        return Crop(_make_record(row), pixels)

    def encoded(self, position: int) -> bytes:
        """Return a crop as it is stored."""
        encoded: bytes = self._images[position].as_py()
        return encoded

    def rendered(self, position: int) -> bytes | None:
        """Return the same face as a network rendered it; None where there is no such picture."""
        encoded: bytes | None = self._rendered[position].as_py() if self._has_rendered else None
        return encoded

    @cached_property
    def _images(self) -> Any:
        return self._column("image")

    @cached_property
    def _rendered(self) -> Any:
        return self._column("rendered")

    def _column(self, name: str) -> Any:
        """Return a column of pictures, a `pyarrow.LargeBinaryArray`."""
        with read_errors(self.path, hint=CROPS_HINT):
            pictures = pq.read_table(self.path, columns=[name])[name]
            return pictures.cast(pa.large_binary()).combine_chunks()


_FIELDS = {
    "name": "name",
    "video_id": "video",
    "dataset": "dataset",
    "label": "label",
    "method": "method",
    "target": "footage",
    "source": "source",
    "identities": "identities",
    "split": "split",
    "frame_index": "frame",
    "box": "face_box",
    "landmarks": "landmarks",
    "face_px": "face_px",
}
"""Fields of `CropRecord` that a table tells, and what they are called there."""


def _value(row: TableCrop, name: str) -> Any:
    value = getattr(row, _FIELDS[name])
    return value or "crops" if name == "dataset" else value


def _make_record(row: TableCrop) -> CropRecord:
    return CropRecord(**{name: _value(row, name) for name in _FIELDS})
