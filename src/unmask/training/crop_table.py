"""Face crops to train with, of several crop stores and Parquet files, as one table.

`crops.source` reads them; here they get the keys by which training keeps footage apart, as columns:
of millions of crops there is no object each. A crop store (`unmask data crops`) knows its splits,
footage and licence. A network over time takes them as clips. Needs no torch.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.clips import clip_positions
from unmask.bundle.manifest import Clip
from unmask.core.errors import ManifestError, RecipeError
from unmask.crops.columns import Texts, join_numbers, join_texts
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.record import CropRecord
from unmask.crops.source import CropSource, open_crops
from unmask.system.remote_files import absolute_path
from unmask.training.runs import CropSummary, DataSource

NO_FOLD = -1
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

    def summary(self) -> CropSummary:
        """Return how many there are, and where they come from."""
        used = np.unique(self.columns.origin)
        fake = int(self.is_fake.sum())
        return CropSummary(
            sources=tuple(self.origins[number].described for number in used),
            real=len(self) - fake,
            fake=fake,
            videos=len(self.columns.video.distinct()),
        )

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
    for path in paths:
        crops = open_crops(path, uncertain_fakes=uncertain_fakes)
        if crops.total_left_out:
            _log.warning("the recipe's uncertain_fakes keeps them")
        described = DataSource(
            path=absolute_path(path), sha256=crops.hash_content(), licence=crops.licence
        )
        origins.append(Origin(described, crops))
    return Crops(tuple(origins), _join([origin.crops for origin in origins]))


def _join(sources: Sequence[CropSource]) -> CropColumns:
    """Return the columns of the crops of several sources."""
    origins = [np.full(len(each), number) for number, each in enumerate(sources)]
    (split,) = join_texts([each.texts("split") for each in sources])
    (compression,) = join_texts([each.texts("compression") for each in sources])
    (video,) = join_texts([each.videos for each in sources])
    target, source = join_texts(
        [each.footage for each in sources], [each.texts("source") for each in sources]
    )
    return CropColumns(
        origin=join_numbers(origins, np.int16),
        position=join_numbers([np.arange(len(each)) for each in sources], np.int32),
        is_fake=join_numbers([each.is_fake for each in sources], np.bool_),
        frame=join_numbers([each.numbers("frame_index") for each in sources], np.int64),
        fold=join_numbers([each.numbers("fold") for each in sources], np.int16, absent=NO_FOLD),
        split=split,
        compression=compression,
        video=video,
        target=target,
        source=source,
    )


@dataclass(frozen=True, eq=False)
class ClipCrops(Crops):
    """Clips of crops, what a network over time judges; its keys are those of their first crops.

    So the label, the footage and the video of a clip are those of its first crop.
    """

    frames: tuple[tuple[int, ...], ...]
    """Of each clip, the positions of its crops in `single`."""
    single: Crops
    """The crops."""

    def take(self, chosen: NDArray[np.bool_]) -> ClipCrops:
        """Return the clips for which `chosen` `(N,)` holds."""
        kept = [each for each, wanted in zip(self.frames, chosen, strict=True) if wanted]
        return _clips(self.single, kept)

    def pixels(
        self, index: int, change: Callable[[Sequence[Image.Image]], Sequence[Image.Image]]
    ) -> NDArray[np.uint8]:
        """Return a clip after a change of its frames, `(T, S, S, 3)` RGB."""
        frames = change([self.single.picture(position) for position in self.frames[index]])
        return np.stack([np.asarray(frame) for frame in frames])


def as_clips(crops: Crops, clip: Clip | None) -> Crops:
    """Return crops as the clips that a network judges; None leaves them single.

    The crops of each face track become clips by the rule of a scan (`bundle.clips`).

    Raises:
        RecipeError: no track has crops enough.
    """
    if clip is None:
        return crops
    tracks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for position, key in enumerate(crops.keys):
        tracks[key.video, key.crop.track or 0].append(position)
    clips: list[tuple[int, ...]] = []
    for positions in tracks.values():
        ordered = np.array(sorted(positions, key=lambda p: crops.columns.frame[p]))
        chosen = ordered[clip_positions(len(ordered), clip)]
        clips += [tuple(int(p) for p in row) for row in chosen]
    if not clips and len(crops):
        raise RecipeError(
            f"no face track has {clip.min_frames} crops, the fewest that make a clip",
            hint="cut more with `unmask data crops --max-key-frames`, or lower "
            "network.clip.min_frames",
        )
    return _clips(crops, sorted(clips))


def _clips(single: Crops, frames: Sequence[tuple[int, ...]]) -> ClipCrops:
    firsts = np.array([clip[0] for clip in frames], dtype=np.int64)
    return ClipCrops(single.origins, single.columns.take(firsts), tuple(frames), single)
