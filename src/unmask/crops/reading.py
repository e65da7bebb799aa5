"""Reading the crops of a store back one at a time, in any order: for training and for figures.

A `CropDataset` is a map-style data set without importing torch: it has a length and items, can be
pickled and forked, and holds no open file. In memory are a few numbers per crop; pictures are read
from the shards by their place in the file. The place follows from how the store writes: pictures
are plain and in one page of each row group, the last byte of the group's column is the last byte of
its last picture, and each is preceded by its length, which is checked at every read.
"""

from __future__ import annotations

import hashlib
import logging
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.crops.columns import (
    WIDTHS,
    Column,
    ColumnBuilder,
    Coordinates,
    Numbers,
    Texts,
    shrink,
)
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.record import Crop, CropRecord
from unmask.crops.rows import COLUMNS, PICTURES, StoreInfo, leak_in, say_left_out
from unmask.crops.store import CropStore
from unmask.datasets.manifest import Label, Split
from unmask.system.parquet import CROPS_HINT, read_errors

_LENGTH_BYTES = 4
"""Length before each value of a plain byte column, little-endian."""
_OF_RECORD = tuple(each.name for each in fields(CropRecord) if each.name != "name")
"""Columns that are fields of `CropRecord`."""
_PLACES = ("shard", *(f"{name}_{what}" for name in PICTURES for what in ("at", "size_bytes")))
"""Columns that say where pictures are."""
_FORGED = pc.field("forged_face")
CERTAIN: pc.Expression = (
    (pc.field("label") != "fake") | (_FORGED != "uncertain") | _FORGED.is_null()
)
"""Crops whose label is that of their face, as far as the store can tell."""
_log = logging.getLogger(__name__)


class CropDataset:
    """Crops of a store by position; give it to a PyTorch `DataLoader` as it is.

    Args:
        folder: that `unmask data crops` wrote.
        split: only crops of this split.
        label: only `real` or only `fake`.
        where: only crops for which this holds, over all columns but the pictures, such as
            `pc.field("face_px") >= 60`.
        masks: whether to read masks.
        uncertain_fakes: keep the crops of fakes whose face may not be the forged one (`forged_face`
            is `uncertain`), which the label `fake` does not hold for; else they are left out, and a
            warning says how many.
        transform: called with each `Crop`; what it returns is the item.

    Raises:
        ManifestError: there is no crop store, or it is damaged, or nothing is left of it.

    Example::

        data = CropDataset("crops", split="train", transform=to_tensor_and_label)
        loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True, num_workers=2)
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        split: Split | None = None,
        label: Label | None = None,
        where: pc.Expression | None = None,
        masks: bool = False,
        uncertain_fakes: bool = False,
        transform: Callable[[Crop], Any] | None = None,
    ) -> None:
        store = CropStore(folder)
        self.info: StoreInfo = store.info
        self._paths = store.shards()
        self._masks = masks
        self._transform = transform
        condition = _condition(split, label, where)
        index = _StoreIndex()
        left_out: Counter[str] = Counter()
        for number, path in enumerate(self._paths):
            rows = _index(path, number).filter(condition)
            if not uncertain_fakes:
                left_out.update(rows.filter(~CERTAIN)["video_id"].to_pylist())
                rows = rows.filter(CERTAIN)
            index.add(rows)
        self.left_out: dict[str, int] = dict(left_out)
        """Number of crops that were left out as uncertain, by video."""
        if not index.rows:
            raise ManifestError(
                f"no crop of {str(folder)!r} is left (split={split}, label={label}, where={where})"
                + (f", {total} of uncertain fakes aside" if (total := self.total_left_out) else ""),
                hint="see `unmask data stats FOLDER` for what it holds",
            )
        if self.left_out:
            _log.warning("%s: %s", folder, say_left_out(self.total_left_out))
        if unsealed := len(store.pending()):
            _log.warning("%d videos of %s are in no shard yet: cropping goes on, or was stopped; "
                         "run `unmask data crops` again", unsealed, folder)  # fmt: skip
        self._columns = index.columns()
        self._shard = index.numbers("shard")
        self._places = {name: (index.numbers(f"{name}_at"), index.numbers(f"{name}_size_bytes"))
                        for name in (PICTURES if masks else PICTURES[:1])}  # fmt: skip

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self._shard)

    @property
    def files(self) -> list[Path]:
        """The files that hold the crops, in order."""
        return list(self._paths)

    @property
    def licence(self) -> str:
        """Terms of the data."""
        return self.info.licence

    @property
    def leak(self) -> str | None:
        """The protocol that leaks by design, and why; None where it does not."""
        return leak_in(self.info)

    @property
    def margin_ratio(self) -> float | None:
        """Side of the crops over the longer side of the face box; None where it is not told."""
        ratio: float | None = self.info.settings.get("margin_ratio")
        return ratio

    @property
    def total_left_out(self) -> int:
        """Number of crops that were left out as uncertain."""
        return sum(self.left_out.values())

    def __repr__(self) -> str:
        """Show the size."""
        return f"CropDataset({self.info.dataset!r}, {len(self)} crops)"

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` whether each crop is of a fake, for samplers and class weights."""
        return self.texts("label").equal("fake")

    @property
    def video_ids(self) -> list[str]:
        """The video of each crop, to keep a video's crops together."""
        return self.texts("video_id").to_list()

    @property
    def videos(self) -> Texts:
        """The video of each crop, with the name of its data set."""
        ids, datasets = self.texts("video_id"), self.texts("dataset")
        pairs = datasets.codes.astype(np.int64) * len(ids.values) + ids.codes
        used, of_crop = np.unique(pairs, return_inverse=True)
        names = (
            f"{datasets.values[pair // len(ids.values)]}/{ids.values[pair % len(ids.values)]}"
            for pair in used.tolist()
        )
        return Texts(of_crop, tuple(names))

    @property
    def footage(self) -> Texts:
        """Key of the footage in each crop that was changed, else the video."""
        return self.texts("target").or_else(self.videos)

    def hash_content(self) -> str:
        """Return the SHA-256 of the names of the shards, which hold the hashes of their content."""
        names = "\n".join([self.info.manifest_sha256, *(file.name for file in self.files)])
        return hashlib.sha256(names.encode()).hexdigest()

    def texts(self, name: str) -> Texts:
        """Return a field of `CropRecord` that is a text, of all crops."""
        column = self._columns[name]
        if not isinstance(column, Texts):
            raise TypeError(f"{name!r} is no text")
        return column

    def numbers(self, name: str) -> NDArray[Any]:
        """Return `(N,)` a field of `CropRecord` that is a number, of all crops; NaN for None."""
        column = self._columns[name]
        return column.values if isinstance(column, Numbers) else np.full(len(self), np.nan)

    def coordinates(self, name: str) -> NDArray[np.float32]:
        """Return `(N, K)` the boxes, squares or landmarks of all crops; NaN for None."""
        column = self._columns[name]
        if isinstance(column, Coordinates):
            return column.values
        return np.full((len(self), WIDTHS[name]), np.nan, np.float32)

    def positions_by_video(self) -> dict[str, NDArray[np.int64]]:
        """Return where the crops of each video are, in order of the videos' ids."""
        videos, of_crop = self.texts("video_id").sorted_codes()
        ends = np.bincount(of_crop, minlength=len(videos)).cumsum()
        pieces = np.split(np.argsort(of_crop, kind="stable"), ends[:-1])
        return dict(zip(videos, pieces, strict=True))

    def __getitem__(self, position: int) -> Any:
        """Return a `Crop`, or what the transform makes of it."""
        at = operator.index(position)
        if not -len(self) <= at < len(self):
            raise IndexError(f"there are {len(self)} crops, got position {at}")
        at %= len(self)
        crop = self._crop(at)
        return crop if self._transform is None else self._transform(crop)

    def _crop(self, at: int) -> Crop:
        sharpness = self._columns["sharpness"].at(at)
        pixels = _decode(self.encoded(at), "RGB")
        return Crop(self.record(at), pixels, self._mask(at), sharpness)

    def read(self, positions: Sequence[int] | NDArray[np.int64]) -> Iterator[Crop]:
        """Yield the crops at positions.

        Raises:
            ManifestError: a picture cannot be read.
        """
        for position in positions:
            yield self._crop(int(position))

    def records(self) -> Iterator[CropRecord]:
        """Yield what is known of the crops in order, without reading a picture."""
        for position in range(len(self)):
            yield self.record(position)

    def record(self, position: int) -> CropRecord:
        """Return what is known of a crop, without reading its picture."""
        facts = {name: self._columns[name].at(position) for name in _OF_RECORD}
        fold = facts["fold"]
        return CropRecord(**{**facts, "fold": None if fold is None else int(fold)})

    def encoded(self, position: int) -> bytes:
        """Return a crop as it is stored, JPEG or PNG."""
        encoded = self._read("image", position)
        if encoded is None:
            raise _not_ours(self._paths[int(self._shard[position])])
        return encoded

    def rendered(self, position: int) -> bytes | None:  # noqa: ARG002 - stores hold none
        """Return None: a store holds no renderings of its faces, as tables may."""
        return None

    def _mask(self, position: int) -> NDArray[np.uint8] | None:
        encoded = self._read("mask", position) if self._masks else None
        return None if encoded is None else _decode(encoded, "L")

    def _read(self, column: str, position: int) -> bytes | None:
        """Read one picture by its place in the file."""
        places, sizes = self._places[column]
        size = int(sizes[position])
        if size == 0:
            return None
        path = self._paths[int(self._shard[position])]
        with path.open("rb", buffering=0) as file:
            file.seek(int(places[position]) - _LENGTH_BYTES)
            record = file.read(_LENGTH_BYTES + size)
        if record[:_LENGTH_BYTES] != size.to_bytes(_LENGTH_BYTES, "little") or (
            len(record) != _LENGTH_BYTES + size
        ):
            raise _not_ours(path)
        return record[_LENGTH_BYTES:]


class _StoreIndex:
    """The small columns of a store, shard after shard."""

    def __init__(self) -> None:
        names = (*_OF_RECORD, "sharpness")
        self._columns = {name: ColumnBuilder(name, COLUMNS.field(name).type) for name in names}
        self._numbers: dict[str, list[NDArray[Any]]] = {name: [] for name in _PLACES}
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Append the rows of a shard."""
        self.rows += len(rows)
        for name, column in self._columns.items():
            column.add(rows.column(name))
        for name, pieces in self._numbers.items():
            pieces.append(shrink(rows.column(name).fill_null(0).to_numpy()))

    def columns(self) -> dict[str, Column]:
        """Return the columns of records."""
        return {name: column.finish() for name, column in self._columns.items()}

    def numbers(self, name: str) -> NDArray[Any]:
        """Return one of the columns that say where pictures are."""
        return np.concatenate(self._numbers.pop(name))


def _index(path: Path, number: int) -> pa.Table:
    """Return a shard's small columns, with the shard's number and the places of its pictures."""
    with read_errors(path, hint=CROPS_HINT), pq.ParquetFile(path) as file:
        return _read_index(file, path, number)


def _read_index(file: pq.ParquetFile, path: Path, number: int) -> pa.Table:
    if file.schema_arrow.names != COLUMNS.names:
        raise _not_ours(path)
    table = file.read(columns=[name for name in COLUMNS.names if name not in PICTURES])
    for name in PICTURES:
        sizes = table.column(f"{name}_size_bytes").fill_null(0).to_numpy()
        table = table.append_column(f"{name}_at", pa.array(_places(file, path, name, sizes)))
    table.validate(full=True)
    return table.append_column("shard", pa.array(np.full(len(table), number, np.int32)))


def _places(
    file: pq.ParquetFile, path: Path, name: str, sizes: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return where each picture of a column begins, counted from the end of its row group."""
    column = COLUMNS.names.index(name)
    places = np.zeros(len(sizes), np.int64)
    first = 0
    for group in range(file.metadata.num_row_groups):
        chunk = file.metadata.row_group(group).column(column)
        if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
            raise _not_ours(path)
        rows = slice(first, first + file.metadata.row_group(group).num_rows)
        stored = np.where(sizes[rows] > 0, sizes[rows] + np.int64(_LENGTH_BYTES), 0)
        end = chunk.data_page_offset + chunk.total_compressed_size
        places[rows] = end - stored[::-1].cumsum()[::-1] + _LENGTH_BYTES
        first = rows.stop
    return places


def _condition(
    split: Split | None, label: Label | None, where: pc.Expression | None
) -> pc.Expression:
    condition = pc.scalar(True)
    for name, value in (("split", split), ("label", label)):
        if value is not None:
            condition &= pc.field(name) == value
    return condition if where is None else condition & where


def _decode(encoded: bytes, mode: str) -> NDArray[np.uint8]:
    return np.array(decode_picture(encoded, mode), dtype=np.uint8)


def _not_ours(path: Path) -> ManifestError:
    return ManifestError(
        f"{str(path)!r} is not as this program wrote it",
        hint="was it rewritten by another program? see `unmask data stats FOLDER --verify`",
    )
