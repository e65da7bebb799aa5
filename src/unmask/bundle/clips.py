"""Clips: crops of one face track, in order of time, that a detector over time judges as one.

The one rule by which the crops of a track become clips, for scans, `predict` and training alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.framing import Batch, Crops
from unmask.bundle.manifest import Clip

Positions = NDArray[np.int64]


def clip_positions(count: int, clip: Clip) -> Positions:
    """Return which of a track's crops, in order of time, make up each clip, `(clips, frames)`.

    There are as many clips as the crops suffice for, one at least, and each spans the whole track:
    of n clips it takes every n-th crop. Crops that are left over are spread evenly. Where there are
    fewer crops than a clip has, the last is repeated.

    Args:
        count: usable crops of the track.
        clip: what the detector judges.

    Returns:
        Ascending positions in each row; no row where there are fewer crops than `min_frames`.

    >>> clip_positions(6, Clip(frames=3, min_frames=2)).tolist()
    [[0, 2, 4], [1, 3, 5]]
    >>> clip_positions(2, Clip(frames=3, min_frames=2)).tolist()
    [[0, 1, 1]]
    >>> clip_positions(1, Clip(frames=3, min_frames=2)).tolist()
    []
    """
    if count < clip.min_frames:
        return np.empty((0, clip.frames), dtype=np.int64)
    clips = max(1, count // clip.frames)
    steps = np.arange(clips * clip.frames)
    spread = (steps + 0.5) * count / len(steps) if count >= clip.frames else steps
    taken = np.minimum(spread.astype(np.int64), count - 1)
    return taken.reshape(clip.frames, clips).T


def stack_clip(faces: Sequence[Crops], positions: Positions) -> Batch:
    """Return one clip as a batch, for each view `(1, T, S, S, 3)`.

    Args:
        faces: crops of a track, in order of time, for each view.
        positions: `(T,)` those of the clip.
    """
    chosen = [faces[position] for position in positions]
    return tuple(np.stack(crops)[None] for crops in zip(*chosen, strict=True))
