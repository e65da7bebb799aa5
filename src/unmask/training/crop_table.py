"""Face crops to train with, from crop stores and from plain Parquet files, as one table.

A crop store (`unmask data crops`) knows its splits, footage and licence. What the columns of a
plain Parquet file mean stands in `datasets.layouts.crop_table`. Needs no torch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.reading import CropDataset
from unmask.crops.store import CropStore
from unmask.datasets.layouts.crop_table import HINT, read_crop_table
from unmask.datasets.parquet import CROPS_HINT, read_errors
from unmask.errors import ManifestError
from unmask.system.files import file_sha256
from unmask.training.runs import DataSource

_log = logging.getLogger(__name__)


class Pictures(Protocol):
    """Encoded pictures by position; can be pickled."""

    def encoded(self, position: int) -> bytes:
        """Return a picture as it is stored."""


class RenderedPictures(Protocol):
    """Encoded pictures by position, where there are some; can be pickled."""

    def encoded(self, position: int) -> bytes | None:
        """Return a picture as it is stored, or None."""


@dataclass(frozen=True, slots=True)
class CropKey:
    """What training must know of a crop besides its picture."""

    is_fake: bool
    """Whether it is manipulated."""
    video: str
    """The video it was cut from."""
    target: str
    """Key of the footage that was changed; a real's own."""
    source: str | None
    """Key of the footage that was put in."""
    split: str | None
    """Split that the store gives it."""
    frame: int
    """Position in its video."""
    origin: int
    """Number of the file or store it comes from."""
    position: int
    """Position there."""
    fold: int | None = None
    """Fold that the store gives it."""
    compression: str | None = None
    """Compression version that the store gives it."""
    face_box: tuple[float, ...] | None = None
    """XYXY box of the face, pixels of the crop."""
    landmarks: tuple[float, ...] | None = None
    """x and y in turn of 5 or 79 points of the face, pixels of the crop."""

    @property
    def footage(self) -> tuple[str, ...]:
        """Keys of all footage in it: crops that share one belong on one side."""
        return (self.target,) if self.source is None else (self.target, self.source)


@dataclass(frozen=True, eq=False)
class Origin:
    """A file or store that crops come from."""

    described: DataSource
    """Path, hash and licence."""
    pictures: Pictures
    """Its pictures."""
    leak: str | None = None
    """Why its own split leaks; None where it does not."""
    margin_ratio: float | None = None
    """Side of its crops over the face box; None where it does not tell."""
    left_out: int = 0
    """Crops that were not read, see `uncertain_fakes` of `read_crops`."""
    rendered: RenderedPictures | None = None
    """The same faces as a network rendered them."""


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of one or several origins."""

    origins: tuple[Origin, ...]
    """Where the pictures are."""
    keys: tuple[CropKey, ...]
    """The crops in order."""

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.keys)

    def __repr__(self) -> str:
        """Show the counts."""
        fake = int(self.is_fake.sum())
        return f"Crops({len(self) - fake} real, {fake} fake)"

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` whether each is manipulated."""
        return np.array([key.is_fake for key in self.keys], dtype=np.bool_)

    @property
    def videos(self) -> list[str]:
        """The video of each crop."""
        return [key.video for key in self.keys]

    def take(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> Crops:
        """Return the crops for which `chosen` `(N,)` holds."""
        return Crops(
            self.origins, tuple(k for k, kept in zip(self.keys, chosen, strict=True) if kept)
        )

    def picture(self, index: int) -> Image.Image:
        """Return a crop, RGB.

        Raises:
            ManifestError: it is no picture, or not square.
        """
        key = self.keys[index]
        origin = self.origins[key.origin]
        return self._decoded(index, origin.pictures.encoded(key.position))

    def rendered(self, index: int) -> Image.Image | None:
        """Return a crop as a network rendered it, RGB; None where there is no such picture.

        Raises:
            ManifestError: it is no picture, or not square.
        """
        key = self.keys[index]
        rendered = self.origins[key.origin].rendered
        encoded = rendered.encoded(key.position) if rendered else None
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
        uncertain_fakes: keep the crops of fakes whose face may not be the forged one (`forged_face`
            of a store is `uncertain`); else they are left out, and a warning tells how many.

    Raises:
        InputNotFound: there is no such file or folder.
        ManifestError: it is neither a crop store nor a file with the columns that are needed.
    """
    origins: list[Origin] = []
    keys: list[CropKey] = []
    for number, path in enumerate(map(Path, paths)):
        if path.is_dir():
            origin, result = _read_store(path, number, uncertain_fakes=uncertain_fakes)
        else:
            origin, result = _read_file(path, number)
        origins.append(origin)
        keys += result
    return Crops(tuple(origins), tuple(keys))


def _read_store(
    folder: Path, number: int, *, uncertain_fakes: bool
) -> tuple[Origin, list[CropKey]]:
    store, crops = CropStore(folder), CropDataset(folder, uncertain_fakes=uncertain_fakes)
    keys = [
        CropKey(
            is_fake=crop.label == "fake",
            video=f"{crop.dataset}/{crop.video_id}",
            target=crop.target or f"{crop.dataset}/{crop.video_id}",
            source=crop.source,
            split=crop.split,
            frame=crop.frame_index or 0,
            origin=number,
            position=position,
            fold=crop.fold,
            compression=crop.compression,
        )
        for position, crop in enumerate(crops.records())
    ]
    if crops.left_out:
        _log.warning("the recipe's uncertain_fakes keeps them")
    info = store.info
    leak = f"{info.protocol}: {info.leak_reason}" if info.leaks else None
    described = DataSource(
        path=str(folder.absolute()), sha256=_store_sha256(store), licence=info.licence
    )
    margin: float | None = info.settings.get("margin_ratio")
    return Origin(described, crops, leak, margin, crops.total_left_out), keys


def _store_sha256(store: CropStore) -> str:
    """Hash a store by the names of its shards, which hold the hashes of their content."""
    names = "\n".join([store.info.manifest_sha256, *(path.name for path in store.shards())])
    return hashlib.sha256(names.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class _Column:
    """Pictures of a Parquet file, in memory."""

    values: Any
    """A `pyarrow.LargeBinaryArray`."""

    def encoded(self, position: int) -> bytes:
        encoded: bytes = self.values[position].as_py()
        return encoded


def _read_file(path: Path, number: int) -> tuple[Origin, list[CropKey]]:
    table = read_crop_table(path)
    if not table.rows:
        raise ManifestError(f"{path} holds no crop", hint=HINT)
    for warning in table.warnings:
        _log.warning("%s: %s", path, warning)
    keys = [
        CropKey(
            is_fake=row.label == "fake",
            video=row.video,
            target=row.footage or row.name,
            source=row.source,
            split=row.split,
            frame=row.frame or 0,
            origin=number,
            position=position,
            face_box=row.face_box,
            landmarks=row.landmarks,
        )
        for position, row in enumerate(table.rows)
    ]
    described = DataSource(path=str(path.absolute()), sha256=file_sha256(path), licence=None)
    rendered = _column(path, "rendered") if "rendered" in pq.read_schema(path).names else None
    return Origin(described, _column(path, "image"), rendered=rendered), keys


def _column(path: Path, name: str) -> _Column:
    with read_errors(path, hint=CROPS_HINT):
        pictures = pq.read_table(path, columns=[name])[name]
        return _Column(pictures.cast(pa.large_binary()).combine_chunks())
