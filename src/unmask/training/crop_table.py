"""Face crops to train with, of several crop stores and Parquet files, as one table.

`crops.source` reads them; here they get the keys by which training keeps footage apart, as columns:
of millions of crops there is no object each. A crop
store (`unmask data crops`) knows its splits, footage and licence. Needs no torch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.errors import ManifestError
from unmask.crops.columns import TextCodes, Texts, shrink
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.reading import CropDataset
from unmask.crops.record import CropRecord
from unmask.crops.source import CropSource, open_crops
from unmask.system.files import file_sha256
from unmask.system.remote_files import absolute_path
from unmask.training.runs import DataSource

NO_FOLD = -1
_KINDS: dict[str, type[np.generic]] = {
    "origin": np.int16, "is_fake": np.bool_, "frame": np.int64, "fold": np.int16
}  # fmt: skip
"""Types of columns; all others hold int32."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CropKey:
    """A crop without its picture, and where that lies."""

    crop: CropRecord
    """What is known of it."""
    video: str
    """The video it was cut from, unique over all origins of a data set."""
    target: str
    """Key of the footage that was changed; a real's own."""
    origin: int
    """Number of the file or store it comes from."""
    position: int
    """Position there."""

    @property
    def frame(self) -> int:
        """Position in its video."""
        return self.crop.frame_index or 0

    @property
    def footage(self) -> tuple[str, ...]:
        """Keys of all footage in it: crops that share one belong on one side."""
        return (self.target,) if self.crop.source is None else (self.target, self.crop.source)

    @property
    def face_box(self) -> tuple[float, ...] | None:
        """XYXY box of the face, pixels of the crop, as a table tells; a store's is of the frame."""
        return self.crop.box if self.crop.square is None else None

    @property
    def landmarks(self) -> tuple[float, ...] | None:
        """X and y in turn of 5 or 79 points of the face, pixels of the crop; likewise."""
        return self.crop.landmarks if self.crop.square is None else None


@dataclass(frozen=True, eq=False)
class Origin:
    """A file or store that crops come from."""

    described: DataSource
    """Path, hash and licence."""
    crops: CropSource
    """Its pictures."""


@dataclass(frozen=True, eq=False)
class CropColumns:
    """What training asks of all crops at once: a few bytes per crop, no object."""

    origin: NDArray[np.int16]
    """`(N,)` number of the file or store each comes from."""
    position: NDArray[np.int32]
    """`(N,)` position there."""
    is_fake: NDArray[np.bool_]
    """`(N,)` whether it is manipulated."""
    frame: NDArray[np.int64]
    """`(N,)` position in its video."""
    fold: NDArray[np.int16]
    """`(N,)` fold, -1 where there is none."""
    split: Texts
    """Split of each."""
    compression: Texts
    """Compression version of each."""
    video: Texts
    """The video of each, unique over all origins."""
    target: Texts
    """Key of the footage that was changed; a real's own."""
    source: Texts
    """Key of the footage that was put in, with the values of `target`."""

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> CropColumns:
        """Return the crops for which `rows` `(N,)` holds, or those at positions."""
        taken: dict[str, Any] = {}
        for each in fields(self):
            column = getattr(self, each.name)
            taken[each.name] = column.take(rows) if isinstance(column, Texts) else column[rows]
        return CropColumns(**taken)


class CropKeys(Sequence[CropKey]):
    """Keys of crops in order; each is made when it is asked for.

    Args:
        origins: where the crops come from.
        columns: of the crops.
    """

    def __init__(self, origins: tuple[Origin, ...], columns: CropColumns) -> None:
        self._origins, self._columns = origins, columns

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self._columns.origin)

    @overload
    def __getitem__(self, index: int) -> CropKey: ...

    @overload
    def __getitem__(self, index: slice) -> list[CropKey]: ...

    def __getitem__(self, index: int | slice) -> CropKey | list[CropKey]:
        """Return the key of a crop."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        columns = self._columns
        origin, position = int(columns.origin[index]), int(columns.position[index])
        return CropKey(
            self._origins[origin].crops.record(position),
            columns.video.values[columns.video.codes[index]],
            columns.target.values[columns.target.codes[index]],
            origin,
            position,
        )


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of one or several origins."""

    origins: tuple[Origin, ...]
    """Where the pictures are."""
    columns: CropColumns
    """The crops in order."""

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.columns.origin)

    def __repr__(self) -> str:
        """Show the counts."""
        fake = int(self.is_fake.sum())
        return f"Crops({len(self) - fake} real, {fake} fake)"

    @property
    def keys(self) -> CropKeys:
        """The crops in order, without their pictures."""
        return CropKeys(self.origins, self.columns)

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` whether each is manipulated."""
        return self.columns.is_fake

    @property
    def videos(self) -> list[str]:
        """The video of each crop."""
        return self.columns.video.to_list()

    @property
    def targets(self) -> list[str]:
        """Key of the footage that was changed, of each crop."""
        return self.columns.target.to_list()

    def footage(self) -> set[str]:
        """Return the keys of all footage in the crops."""
        return self.columns.target.distinct() | self.columns.source.distinct()

    def take(self, chosen: NDArray[np.bool_]) -> Crops:
        """Return the crops for which `chosen` `(N,)` holds."""
        return Crops(self.origins, self.columns.take(chosen))

    def picture(self, index: int) -> Image.Image:
        """Return a crop, RGB.

        Raises:
            ManifestError: it is no picture, or not square.
        """
        key = self.keys[index]
        origin = self.origins[key.origin]
        return self._decoded(index, origin.crops.encoded(key.position))

    def pixels(
        self, index: int, change: Callable[[Sequence[Image.Image]], Sequence[Image.Image]]
    ) -> NDArray[np.uint8]:
        """Return what a network takes for a crop, `(S, S, 3)` RGB.

        Args:
            index: of the crop.
            change: what its pictures go through, here one; those of a clip go through the same.
        """
        return np.asarray(change([self.picture(index)])[0])

    def rendered(self, index: int) -> Image.Image | None:
        """Return a crop as a network rendered it, RGB; None where there is no such picture.

        Raises:
            ManifestError: it is no picture, or not square.
        """
        key = self.keys[index]
        encoded = self.origins[key.origin].crops.rendered(key.position)
        return None if encoded is None else self._decoded(index, encoded)

    def _decoded(self, index: int, encoded: bytes) -> Image.Image:
        key = self.keys[index]
        origin = self.origins[key.origin]
        try:
            image = decode_picture(encoded)
        except ManifestError as error:
            raise ManifestError(
                f"the crop of {key.video!r} in {origin.described.path} is no picture",
                hint="write the file again",
            ) from error
        if image.width != image.height:
            raise ManifestError(
                f"the crop of {key.video!r} in {origin.described.path} is {image.width} x "
                f"{image.height}; crops are square",
                hint="cut square crops, for instance with `unmask data crops`",
            )
        return image


def read_crops(paths: Sequence[str | Path], *, uncertain_fakes: bool = False) -> Crops:
    """Read the tables of crop stores and Parquet files; pictures are read when they are needed.

    Args:
        paths: the stores' folders and the files.
        uncertain_fakes: keep the crops of fakes whose face may not be the forged one, see
            `open_crops`.

    Raises:
        InputNotFound: there is no such file or folder.
        ManifestError: it is neither a crop store nor a file with the columns that are needed.
    """
    origins: list[Origin] = []
    table = _TableBuilder()
    for path in paths:
        crops = open_crops(path, uncertain_fakes=uncertain_fakes)
        if crops.total_left_out:
            _log.warning("the recipe's uncertain_fakes keeps them")
        described = DataSource(
            path=absolute_path(path), sha256=_sha256(crops), licence=crops.licence
        )
        origins.append(Origin(described, crops))
        table.add(crops)
    return Crops(tuple(origins), table.finish())


class _TableBuilder:
    """Makes the columns of several origins one after the other."""

    def __init__(self) -> None:
        self._videos, self._footage = TextCodes(), TextCodes()
        self._words = {"split": TextCodes(), "compression": TextCodes()}
        self._pieces: dict[str, list[NDArray[Any]]] = {
            each.name: [np.empty(0, _KINDS.get(each.name, np.int32))]
            for each in fields(CropColumns)
        }
        self._origins = 0

    def add(self, crops: CropSource) -> None:
        """Append the crops of an origin."""
        videos, source = self._encode_videos(crops), crops.texts("source")
        columns: dict[str, NDArray[Any]] = {
            "origin": np.full(len(crops), self._origins, np.int16),
            "position": np.arange(len(crops), dtype=np.int32),
            "is_fake": crops.is_fake,
            "frame": _whole(crops.numbers("frame_index"), 0, np.int64),
            "fold": _whole(crops.numbers("fold"), NO_FOLD, np.int16),
            "video": videos,
            "target": self._encode_targets(crops, videos),
            "source": self._footage.translate(source.codes, source.values),
        }
        for name, codes in self._words.items():
            words = crops.texts(name)
            columns[name] = codes.translate(words.codes, words.values)
        for name, piece in columns.items():
            self._pieces[name].append(piece)
        self._origins += 1

    def _encode_videos(self, crops: CropSource) -> NDArray[np.int32]:
        """Return the code of each crop's video, by a name that is unique over all origins."""
        ids = crops.texts("video_id")
        if crops.has_names:  # ids of a table say what they may
            return self._videos.translate(ids.codes, ids.values)
        datasets = crops.texts("dataset")
        pairs = datasets.codes.astype(np.int64) * len(ids.values) + ids.codes
        used, of_crop = np.unique(pairs, return_inverse=True)
        names = [
            f"{datasets.values[pair // len(ids.values)]}/{ids.values[pair % len(ids.values)]}"
            for pair in used.tolist()
        ]
        return self._videos.translate(of_crop, names)

    def _encode_targets(self, crops: CropSource, videos: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the code of the footage that was changed; else the crop's name, or its video."""
        told = crops.texts("target")
        codes = self._footage.translate(told.codes, told.values)
        untold = codes < 0
        if untold.any():
            alone = Texts(videos, self._videos.values)
            if crops.has_names:
                alone = crops.texts("name")
            used, inverse = np.unique(alone.codes[untold], return_inverse=True)
            codes[untold] = self._footage.translate(inverse, [alone.values[u] for u in used])
        return codes

    def finish(self) -> CropColumns:
        """Return the columns of all origins."""
        columns: dict[str, Any] = {
            name: np.concatenate(each) for name, each in self._pieces.items()
        }
        texts = {
            **self._words, "video": self._videos, "target": self._footage, "source": self._footage
        }  # fmt: skip
        for name, codes in texts.items():
            columns[name] = Texts(shrink(columns[name]), codes.values)
        return CropColumns(**columns)


def _whole(numbers: NDArray[Any], absent: int, kind: type[np.signedinteger[Any]]) -> NDArray[Any]:
    """Return whole numbers, with another number for NaN."""
    known = numbers if numbers.dtype.kind == "i" else np.where(np.isnan(numbers), absent, numbers)
    return known.astype(kind)


def _sha256(crops: CropSource) -> str:
    """Hash a file; a store by the names of its shards, which hold the hashes of their content."""
    if not isinstance(crops, CropDataset):
        return file_sha256(crops.files[0])
    names = "\n".join([crops.info.manifest_sha256, *(file.name for file in crops.files)])
    return hashlib.sha256(names.encode()).hexdigest()
