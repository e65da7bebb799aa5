"""What is known of one face crop, wherever it is stored; the same for every reader of crops.

A crop of a store, a row of a table of crops and a face cut from a video each become a `CropRecord`.
What adds something to it (`reading.Crop` the pixels, a row of predictions the logit) is made from
it, so that a fact of a crop has one name and one meaning from the store to the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from unmask.crops.rows import ForgedFace, VideoCoverage
from unmask.datasets.manifest import Label, Split, VideoRecord
from unmask.values import Box


@dataclass(frozen=True, eq=False, kw_only=True)
class CropRecord:
    """One crop without its picture, or a video of which there is none."""

    video_id: str
    """The manifest's id."""
    dataset: str
    """Name of the layout."""
    label: Label
    """`real` or `fake`."""
    method: str | None = None
    """Manipulation method."""
    target: str | None = None
    """Footage key of the clip that was changed."""
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
    """Number of the face track in its video."""
    frame_index: int | None = None
    """Position among the decoded frames."""
    pts_seconds: float | None = None
    """Time stamp."""
    square: Box | None = None
    """What was cut, XYXY pixels of the frame; None where it is not known."""
    box: Box | None = None
    """Face box in the frame."""
    landmarks: tuple[float, ...] | None = None
    """Five points x, y in the frame."""
    face_px: float | None = None
    """Shorter side of the face box."""
    forged_face: ForgedFace | None = None
    """Why this face is taken for the forged one."""

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

    @classmethod
    def of_coverage(cls, line: VideoCoverage, dataset: str) -> CropRecord:
        """Return what a store knows of a video, also of one that gave no crop."""
        return cls(
            video_id=line.video_id,
            dataset=dataset,
            label=line.label,
            method=line.method,
            target=line.target,
            source=line.source,
            identities=line.identities,
            split=line.split,
            fold=line.fold,
            compression=line.compression,
        )
