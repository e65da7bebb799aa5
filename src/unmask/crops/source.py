"""Crops wherever they lie: the one door for whoever trains on them, scores or studies them.

    folder of `unmask data crops` -> CropDataset  ┐
    Parquet file of pictures      -> PictureTable ┘ -> records, pictures, terms

Both have the same members; a store can leave crops out by split and where the face may not be the
forged one, and reads pictures in any order without holding them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.crops.columns import Texts
from unmask.crops.picture_table import PictureTable
from unmask.crops.reading import CropDataset
from unmask.crops.record import Crop, CropRecord
from unmask.system.remote_files import local_copy


class CropSource(Protocol):
    """Crops of one store or file by position; can be pickled."""

    @property
    def files(self) -> list[Path]:
        """The files that hold the crops, in order."""

    @property
    def licence(self) -> str | None:
        """Terms of the data; None where they are not told."""

    @property
    def leak(self) -> str | None:
        """Why the splits leak by design; None where they do not, or nobody told."""

    @property
    def margin_ratio(self) -> float | None:
        """Side of the crops over the longer side of the face box; None where it is not told."""

    @property
    def total_left_out(self) -> int:
        """Number of crops of fakes that were left out, as their face may not be the forged one."""

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` whether each crop is of a fake."""

    @property
    def videos(self) -> Texts:
        """The video of each crop, by a name that is unique over all data sets."""

    @property
    def footage(self) -> Texts:
        """Key of the footage in each crop that was changed; a real's own."""

    def hash_content(self) -> str:
        """Return the SHA-256 of what the crops come from."""

    def __len__(self) -> int:
        """Return the number of crops."""

    def texts(self, name: str) -> Texts:
        """Return a field of `CropRecord` that is a text, of all crops."""

    def numbers(self, name: str) -> NDArray[Any]:
        """Return `(N,)` a field of `CropRecord` that is a number, of all crops; NaN for None."""

    def record(self, position: int) -> CropRecord:
        """Return what is known of a crop, without reading its picture."""

    def records(self) -> Iterator[CropRecord]:
        """Yield what is known of the crops in order, without reading a picture."""

    def read(self, positions: Sequence[int] | NDArray[np.int64]) -> Iterator[Crop | None]:
        """Yield the crops at ascending positions; None for one that a table holds damaged."""

    def encoded(self, position: int) -> bytes:
        """Return a picture as it is stored."""

    def rendered(self, position: int) -> bytes | None:
        """Return the same face as a network rendered it, as it is stored; None without."""


def open_crops(path: str | Path, *, uncertain_fakes: bool = False) -> CropSource:
    """Open a crop store or a table of pictures.

    Args:
        path: the store's folder, or a Parquet file; of an address a copy is read.
        uncertain_fakes: keep the crops of fakes whose face may not be the forged one, see
            `CropDataset`; a table does not tell which these are.

    Raises:
        InputNotFound: there is no such file or folder.
        ManifestError: it is neither, is damaged, or holds no crop.
    """
    place = local_copy(path)
    if place.is_dir():
        return CropDataset(place, uncertain_fakes=uncertain_fakes)
    return PictureTable(place)
