"""Fingerprints of a manifest's rows: perceptual hashes of a few frames of each, read from disk.

What cannot be read is kept with its reason, and frames without contrast are counted; neither is
ever taken for different from everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import InputNotFound, NotMedia, UnmaskError
from unmask.core.media import VideoInfo
from unmask.core.settings import Limits
from unmask.datasets.footage import read_crop
from unmask.datasets.layouts.layout import files_below
from unmask.datasets.manifest import VideoRecord
from unmask.datasets.phash import is_flat, phash, small_luma
from unmask.system.suffixes import PICTURE_SUFFIXES
from unmask.video import FrameStamp, probe, read_frames
from unmask.video.source import open_container, picture_stream

_STILL = FrameStamp(0, 0, 0.0)


@dataclass(frozen=True)
class Unreadable:
    """A row whose frames could not be read."""

    id: str
    """Id of the row."""
    reason: str
    """Why."""


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Hashes of the frames of many rows."""

    hashes: NDArray[np.uint64]
    """`(N,)` hash of each frame with contrast."""
    rows: NDArray[np.int64]
    """`(N,)` place of the row that each is of, ascending."""
    flat_frames: int
    """Frames left out for want of contrast."""
    flat_rows: int
    """Rows all of whose frames were left out."""
    unreadable: tuple[Unreadable, ...]
    """Rows that could not be read."""

    def __repr__(self) -> str:
        """Show the extent, not the arrays."""
        return (
            f"Fingerprints({len(self.hashes)} frames of {len(set(self.rows.tolist()))} rows, "
            f"{self.flat_frames} flat, {len(self.unreadable)} rows unreadable)"
        )


def fingerprints(
    records: Sequence[VideoRecord],
    root: Path,
    *,
    frames: int,
    limits: Limits,
    done: Callable[[], None] = lambda: None,
) -> Fingerprints:
    """Hash a few frames of each row.

    Args:
        records: rows.
        root: folder that their ids are paths below.
        frames: most frames of each, spread evenly over its length.
        limits: what is refused.
        done: called after each row.
    """
    hashes: list[int] = []
    rows: list[int] = []
    unreadable: list[Unreadable] = []
    flat_frames = flat_rows = 0
    for row, record in enumerate(records):
        try:
            small = _reduce(record, root, frames, limits)
        except UnmaskError as error:
            unreadable.append(Unreadable(record.id, error.message))
            small = []
        result = [phash(luma) for luma in small if not is_flat(luma)]
        flat_frames += len(small) - len(result)
        flat_rows += bool(small) and not result
        hashes += result
        rows += [row] * len(result)
        done()
    return Fingerprints(
        np.array(hashes, dtype=np.uint64),
        np.array(rows, dtype=np.int64),
        flat_frames,
        flat_rows,
        tuple(unreadable),
    )


def spread_stamps(info: VideoInfo, count: int, *, limits: Limits) -> list[FrameStamp]:
    """Choose frames nearest to the middles of equally long stretches, without decoding any.

    Args:
        info: a video, from `probe`.
        count: most frames.
        limits: the limits of `probe`.
    """
    with open_container(info.path, limits=limits) as container:
        stream = picture_stream(container)
        if stream is None or stream.time_base is None:
            return []
        shown = {packet.pts for packet in container.demux(stream) if packet.size}
        base = float(stream.time_base)
    times = np.array(sorted(pts for pts in shown if pts is not None), dtype=np.int64)
    if not len(times):
        return []
    middles = times[0] + (np.arange(count) + 0.5) / count * (times[-1] - times[0])
    chosen = np.unique(np.abs(times[None] - middles[:, None]).argmin(axis=1))
    return [FrameStamp(int(i), int(times[i]), float(times[i] - times[0]) * base) for i in chosen]


def _reduce(
    record: VideoRecord, root: Path, frames: int, limits: Limits
) -> list[NDArray[np.float64]]:
    """Return a few frames of a row, reduced."""
    if record.kind == "crop":
        return [small_luma(read_crop(root, record.id, limits))]
    read = _reduce_folder if record.kind == "frames" else _reduce_video
    return read(root / record.id, frames, limits)


def _reduce_video(path: Path, frames: int, limits: Limits) -> list[NDArray[np.float64]]:
    info = probe(path, limits=limits)
    still = info.kind == "image"
    stamps = [_STILL] if still else spread_stamps(info, frames, limits=limits)
    if not stamps:
        raise NotMedia(f"{str(path)!r} holds no frame", hint="get an undamaged copy")
    return [small_luma(frame.image) for frame in read_frames(info, stamps, limits=limits)]


def _reduce_folder(path: Path, frames: int, limits: Limits) -> list[NDArray[np.float64]]:
    pictures = files_below(path, PICTURE_SUFFIXES) if path.is_dir() else []
    if not pictures:
        raise InputNotFound(f"no pictures in {str(path)!r}", hint="check the data set's folder")
    places = np.unique(((np.arange(frames) + 0.5) / frames * len(pictures)).astype(int))
    return [luma for place in places for luma in _reduce_video(pictures[place], 1, limits)]
