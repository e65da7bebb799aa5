"""Faces cut out of the chosen frames: the one way from tracks to crops.

    tracks -> heaviest -> key frames -> pictures (kept or decoded) -> face measured -> cut

The scan, the crop store, `predict` on videos and the studies all go through here. They differ in
where the pictures come from (`passes.chosen_pictures`, `passes.decode_chosen`, a folder) and in the
square that they cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box, FaceTrack
from unmask.core.media import Frame, PicturePart
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import ScanSettings
from unmask.faces.detector import FaceDetector
from unmask.scanner.passes import (
    ChosenFrames,
    choose_in,
    heaviest,
    key_frame,
    measured_key_frame,
)

Picture = NDArray[np.uint8] | PicturePart
"""A frame at full size, `(H, W, 3)` RGB, or the part of it around the face."""
ChosenPicture = tuple[Picture, ChosenFrames, int]
"""The picture, the choice that asked for it, and its position in that track."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CutFace(Generic[T]):
    """One face, cut out of a chosen frame."""

    track: FaceTrack
    """The face over time."""
    position: int
    """In the track."""
    key_frame: KeyFrame
    """The frame and the face in it; `unusable` says why it is unfit, if so."""
    picture: Picture
    """What it was cut from."""
    cut: T
    """What was cut."""


def choose_faces(
    tracks: Sequence[FaceTrack],
    codec_keys: frozenset[int],
    settings: ScanSettings,
    *,
    most: int | None = None,
) -> list[ChosenFrames]:
    """Choose the key frames of the heaviest tracks, in order of appearance.

    Args:
        tracks: of a video.
        codec_keys: indices of frames that the encoder made key frames.
        settings: how they are chosen.
        most: tracks; None: the settings' limit.
    """
    count = settings.limits.max_tracks if most is None else most
    return [choose_in(track, codec_keys, settings) for track in heaviest(tracks, count)]


def cut_faces(
    pictures: Iterable[ChosenPicture],
    cut: Callable[[Picture, Box], T],
    *,
    detector: FaceDetector | None,
) -> Iterator[CutFace[T]]:
    """Cut the face out of each picture, one at a time, in the order of the pictures.

    Args:
        pictures: the chosen frames in full.
        cut: from a picture and the face box, XYXY pixels of the frame, to what is wanted of it.
        detector: that of the first pass, which measures the face in the full picture; None: the
            face is cut where its track says.
    """
    for picture, chosen, position in pictures:
        if detector is None:
            key = key_frame(chosen, position)
        else:
            key = measured_key_frame(detector, picture, chosen, position)
        yield CutFace(chosen.track, position, key, picture, cut(picture, key.box))


def whole_pictures(
    frames: Iterable[tuple[Frame, ChosenFrames, int]],
) -> Iterator[ChosenPicture]:
    """Yield the pictures of decoded frames, for `cut_faces`."""
    for frame, chosen, position in frames:
        yield frame.image, chosen, position
