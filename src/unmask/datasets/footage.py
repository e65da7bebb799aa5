"""A manifest's row as footage: its face tracks, and its frames in full when some are chosen.

A video goes through the two passes of a scan. A folder of pictures is read in order of name, each
picture as a still: faces are searched in every one of them, since nothing tells how much time lies
between two. Stands between the manifest and `extraction`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import DecodeError, InputNotFound, NotMedia
from unmask.core.face import FaceTrack
from unmask.core.settings import Limits, ScanSettings
from unmask.datasets.layouts.crop_files import IN_PARQUET, file_path, picture
from unmask.datasets.layouts.layout import files_below
from unmask.datasets.manifest import VideoRecord
from unmask.faces.detector import FaceDetector, create
from unmask.faces.tracks import Tracker
from unmask.scanner.face_cuts import ChosenPicture, whole_pictures
from unmask.scanner.passes import (
    DETECTOR_THREADS,
    ChosenFrames,
    decode_chosen,
    first_pass,
    wanted_at,
)
from unmask.system.suffixes import PICTURE_SUFFIXES
from unmask.video import FrameStamp, LumaFrame, LumaPass, probe, read_frames
from unmask.video.still import pixels_as_shown

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, eq=False)
class Footage:
    """What was found in a video or a folder of pictures."""

    tracks: tuple[FaceTrack, ...]
    """Faces over time."""
    codec_keys: frozenset[int]
    """Indices of frames that the encoder made key frames."""
    frames_sampled: int
    """Frames looked at."""
    seconds: float | None
    """Length that was decoded; None where frames have no times."""
    not_analysed: tuple[str, ...]
    """What was left out, a reason each."""
    pictures: Callable[[Sequence[ChosenFrames]], Iterator[ChosenPicture]]
    """Decodes chosen frames in order of time."""
    detector: FaceDetector
    """What the faces were found with."""


def files_of(record: VideoRecord, root: str | Path) -> list[Path]:
    """Return the files and folders that a row of a manifest is read from, its mask's among them.

    Args:
        record: the row.
        root: the data set's folder.
    """
    return [Path(root, name) for name in (file_path(record.id), record.mask) if name]


def read_video(path: Path, settings: ScanSettings) -> Footage:
    """Read a video once and follow its faces.

    Raises:
        InputError: the file cannot be used.
        DecodeError: nothing in it could be decoded.
    """
    detector = create(settings.face_detector, threads=DETECTOR_THREADS)
    first = first_pass(path, settings, detector=detector)
    return Footage(
        tracks=first.tracks,
        codec_keys=first.codec_keys,
        frames_sampled=first.coverage.frames_sampled,
        seconds=first.coverage.seconds_analysed,
        not_analysed=first.coverage.not_analysed,
        pictures=lambda chosen: whole_pictures(decode_chosen(first, chosen, settings.limits)),
        detector=detector,
    )


def read_folder(folder: Path, settings: ScanSettings) -> Footage:
    """Read a folder of pictures in order of name and follow its faces.

    Raises:
        NotMedia: there is no picture in it.
        InputError, DecodeError: a picture cannot be used, or they differ in size.
    """
    paths = pictures_in(folder)
    detector = create(settings.face_detector, threads=DETECTOR_THREADS)
    tracker = Tracker(detector, every_seconds=0.0)
    shape = None
    for index, path in enumerate(paths):
        frame = _as_frame(path, index, settings)
        shape = shape or frame.luma.shape
        if frame.luma.shape != shape:
            raise DecodeError(
                f"{path.name!r} differs in size from the pictures before it in {str(folder)!r}",
                hint="a folder holds the frames of one video; index others as single crops",
            )
        tracker.add(frame)

    def in_full(chosen: Sequence[ChosenFrames]) -> Iterator[ChosenPicture]:
        for index, askers in wanted_at(chosen).items():
            picture = pixels_as_shown(paths[index], limits=settings.limits)
            for each, position in askers:
                yield picture, each, position

    tracks = tuple(tracker.finish())
    return Footage(tracks, frozenset(), len(paths), None, (), in_full, detector)


def _as_frame(path: Path, index: int, settings: ScanSettings) -> LumaFrame:
    """Return a picture as a frame of a video of the settings' frame rate."""
    passing = LumaPass(
        probe(path, limits=settings.limits),
        sample_fps=settings.sample_fps,
        long_side_px=settings.detect_long_side_px,
        limits=settings.limits,
    )
    still = next(iter(passing))
    colour = still.rgb()
    stamp = FrameStamp(index, index, index / settings.sample_fps)
    return LumaFrame(stamp, still.luma, still.scale, lambda: colour)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures below a folder, in order of name, numbers by their value.

    Raises:
        NotMedia: there is none.
    """
    paths = files_below(folder, PICTURE_SUFFIXES)
    if not paths:
        raise NotMedia(
            f"there is no picture in the folder {str(folder)!r}",
            hint=f"pictures end in {', '.join(sorted(PICTURE_SUFFIXES))}",
        )
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order `2.png` before `10.png`: frames are often numbered without leading zeros."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBER.split(str(path))
    ]


def read_crop(root: Path, crop: str, limits: Limits) -> NDArray[np.uint8]:
    """Return a picture that is a crop already, a file or a row of a Parquet file, by its id.

    Raises:
        InputNotFound: there is no such file or row.
        ManifestError: the Parquet file cannot be read.
        DecodeError: it is damaged, or no picture.
    """
    if IN_PARQUET in crop:
        return pixels_as_shown(root / crop, limits=limits, encoded=picture(root, crop))
    if not (root / crop).is_file():
        raise InputNotFound(f"no file {str(root / crop)!r}", hint="say where the data set lies")
    return pixels_as_shown(root / crop, limits=limits)


def mask_frames(
    path: Path, indices: Sequence[int], limits: Limits
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield manipulation masks, `(H, W)` uint8, of frames given by ascending index.

    Frames are counted, as a mask video's time stamps need not be those of its video.

    Raises:
        InputError: the mask cannot be used.
        DecodeError: the mask ends before the last frame; those before it were yielded.
    """
    if path.is_dir():
        paths = pictures_in(path)
        for index in indices:
            if index < len(paths):
                yield index, _grey(pixels_as_shown(paths[index], limits=limits))
        return
    stamps = [FrameStamp(index, 0, 0.0, own=False) for index in indices]
    for frame in read_frames(probe(path, limits=limits), stamps, limits=limits):
        yield frame.index, _grey(frame.image)


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the brightest channel: masks are white on black, or of one colour each part."""
    brightest: NDArray[np.uint8] = picture.max(axis=2)
    return brightest
