"""Face crops to train with, of several crop stores and Parquet files, as one table.

`crops.source` reads them; here each gets the keys by which training keeps footage apart. A crop
store (`unmask data crops`) knows its splits, footage and licence. Needs no torch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.errors import ManifestError
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.reading import CropDataset
from unmask.crops.record import CropRecord
from unmask.crops.source import CropSource, open_crops
from unmask.system.files import file_sha256
from unmask.training.runs import DataSource

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
        return np.array([key.crop.is_fake for key in self.keys], dtype=np.bool_)

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
    keys: list[CropKey] = []
    for number, path in enumerate(map(Path, paths)):
        crops = open_crops(path, uncertain_fakes=uncertain_fakes)
        if crops.total_left_out:
            _log.warning("the recipe's uncertain_fakes keeps them")
        described = DataSource(
            path=str(path.absolute()), sha256=_sha256(crops, path), licence=crops.licence
        )
        origins.append(Origin(described, crops))
        keys += _number(crops, number)
    return Crops(tuple(origins), tuple(keys))


def _number(crops: CropSource, origin: int) -> Iterator[CropKey]:
    """Yield the crops of an origin with their keys."""
    for position, crop in enumerate(crops.records()):
        # ids of a store are unique within its data set, and those of a table say what they may
        video = crop.video_id if crop.name else f"{crop.dataset}/{crop.video_id}"
        yield CropKey(crop, video, crop.target or crop.name or video, origin, position)


def _sha256(crops: CropSource, path: Path) -> str:
    """Hash a file; a store by the names of its shards, which hold the hashes of their content."""
    if not isinstance(crops, CropDataset):
        return file_sha256(path)
    names = "\n".join([crops.info.manifest_sha256, *(file.name for file in crops.files)])
    return hashlib.sha256(names.encode()).hexdigest()
