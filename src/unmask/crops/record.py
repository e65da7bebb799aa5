"""What is known of one face crop, wherever it is stored; the same for every reader of crops.

A crop of a store, a row of a table of crops and a face cut from a video each become a `CropRecord`.
What adds something to it holds it (`Crop` the pixels, a row of predictions the logit, a crop to
train with its place), so that a fact of a crop has one name and one meaning from the store to the
figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box
from unmask.datasets.manifest import Label, Split, VideoRecord
from unmask.faces.squares import within_square

ForgedFace = Literal["mask", "only-face", "largest", "uncertain"]


@dataclass(frozen=True, kw_only=True)
class CropRecord:
    """One crop without its picture, or a video of which there is none."""

    video_id: str
    """The manifest's id."""
    dataset: str
    """Name of the layout; of a table, of the data set that it names, else `crops`."""
    label: Label
    """`real` or `fake`."""
    method: str | None = None
    """Manipulation method; None for reals."""
    target: str | None = None
    """Footage key of the clip that was changed; a real's own."""
    source: str | None = None
    """Footage key of the clip that was put in."""
    identities: tuple[str, ...] = ()
    """Keys of the persons involved, the one in the video first."""
    split: Split | None = None
    """Split."""
    fold: int | None = None
    """Fold of a k-fold protocol."""
    compression: str | None = None
    """Compression version."""
    track: int | None = None
    """Number of the face track in its video, from 1."""
    frame_index: int | None = None
    """Position among all decoded frames."""
    pts_seconds: float | None = None
    """Time stamp."""
    square: Box | None = None
    """What was cut, XYXY pixels of the frame; None where it is not known, as of tables."""
    box: Box | None = None
    """Face box, XYXY pixels of the frame; of the crop itself where the square is not known."""
    landmarks: tuple[float, ...] | None = None
    """Points x, y of the face, pixels as those of the box: five, or 79 of a table."""
    face_px: float | None = None
    """Shorter side of the face box, pixels of the frame."""
    forged_face: ForgedFace | None = None
    """Why this face is taken for the forged one; None for reals, and where nobody looked."""
    name: str | None = None
    """What a table calls the crop; None for others, which have no names."""

    @property
    def crop_id(self) -> str:
        """Name of the crop, unique where it is stored."""
        return self.name or f"{self.video_id}#t{self.track}f{self.frame_index}"

    @property
    def is_fake(self) -> bool:
        """Whether it is manipulated."""
        return self.label == "fake"

    @classmethod
    def of_video(cls, record: VideoRecord) -> CropRecord:
        """Return what a manifest knows of every crop of a video."""
        return cls(
            video_id=record.id,
            dataset=record.dataset,
            label=record.label,
            method=record.method,
            target=record.target,
            source=record.source,
            identities=record.identities,
            split=record.split,
            fold=record.fold,
            compression=record.compression,
        )


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop, decoded."""

    record: CropRecord
    """What is known of it."""
    pixels: NDArray[np.uint8]
    """`(H, W, 3)` RGB; square in a crop store."""
    mask: NDArray[np.uint8] | None = None
    """`(H, W)`, 255 is manipulated; None where there is none, or masks were not asked for."""
    sharpness: float | None = None
    """Variance of the Laplacian at 128 px; None where it was not stored."""

    def __repr__(self) -> str:
        """Show what it is, not the pixels."""
        known = self.record
        shape = "x".join(map(str, self.pixels.shape))
        return f"Crop({known.video_id!r}, frame {known.frame_index}, {known.label}, {shape})"

    def in_crop(self, points: tuple[float, ...]) -> tuple[float, ...]:
        """Return points x, y, x, y, ... of the frame in pixels of the crop.

        Raises:
            ValueError: it is not known where in the frame it was cut.
        """
        square = self.record.square
        if square is None:
            raise ValueError(f"{self!r}: the square that was cut is not known")
        return within_square(points, square, size_px=self.pixels.shape[0])
