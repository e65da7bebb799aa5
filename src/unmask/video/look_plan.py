"""Which frames of a video a triage looks at: the encoder's key frames, and a few in between.

A key frame costs its own decoding. A frame in between costs that of all which lie between it and
the key frame before, so where several shots lack frames, further ones are taken soon after a key
frame, and no more than a set number of frames is decoded for them, however long the film is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

LOOKS_PER_SHOT = 8
"""Fewest frames of a shot that are looked at, where it has that many."""
LOOKS_PER_SECOND = 2.0
"""Most key frames that are looked at: some codecs have no others."""
MOST_EXTRA = 64
"""Most frames that are no key frames: each costs the decoding of some before it."""
MOST_BETWEEN = 240
"""Most packets, about, that are decoded for those where there are several groups of pictures: as
many as one group usually has. A single one is looked into as far as it goes."""
WHOLE_GOP = 0.95
"""A group of pictures shorter than this part of the longest was ended by the encoder at a cut."""

Stamps = NDArray[np.int64]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Where the frames of a stream lie, read without decoding."""

    pts: Stamps
    """`(N,)` time stamps in order of decoding, units of the stream."""
    keys: NDArray[np.bool_]
    """`(N,)` whether a frame decodes alone; the first does."""
    seconds_per_unit: float
    """Time base."""
    step: int
    """Usual distance of two frames, units of the stream."""
    progressive: bool
    """Whether a packet is a whole frame."""

    def seconds(self, pts: int) -> float:
        """Return a stamp's time, seconds from the first key frame."""
        return float(pts - self.pts[0]) * self.seconds_per_unit


def plan_looks(index: PacketIndex, unchanged: Collection[int] = ()) -> Stamps:
    """Return the stamps of the frames to look at, ascending.

    Args:
        index: of the stream.
        unchanged: stamps of key frames that show what the one before shows: no shot begins there.

    >>> pts = np.arange(100)
    >>> plan_looks(PacketIndex(pts, pts % 50 == 0, 0.04, 1, True)).tolist()
    [0, 12, 25, 37, 50, 62, 74, 99]
    """
    keys = _thin(index.pts[index.keys], index)
    if not index.progressive:
        return keys
    per_shot = [_extra(shot, keys) for shot in _usable(index, _lacking(index, keys, unchanged))]
    # In turn, so that every shot has a few before any has all.
    in_turn = (pts for row in zip_longest(*per_shot) for pts in row if pts is not None)
    extra = np.fromiter(in_turn, dtype=np.int64)[:MOST_EXTRA]
    return np.unique(np.concatenate([keys, extra]))


def shots_lacking(index: PacketIndex) -> int:
    """Count the shots with fewer key frames than looks, as far as the packets show shots."""
    return len(_lacking(index, index.pts[index.keys], ())) if index.progressive else 0


def _lacking(index: PacketIndex, keys: Stamps, unchanged: Collection[int]) -> list[Places]:
    """Return the shots that have fewer looks than they should: places in the index."""
    starts = np.flatnonzero(index.keys)
    lengths = np.diff(np.append(starts, len(index.pts)))
    at_cut = lengths[:-1] < WHOLE_GOP * lengths.max()
    at_cut &= ~np.isin(index.pts[starts[1:]], list(unchanged))
    is_look = np.isin(index.pts, keys)
    shots = np.split(np.arange(len(index.pts), dtype=np.int64), starts[1:][at_cut])
    return [shot for shot in shots if is_look[shot].sum() < min(LOOKS_PER_SHOT, len(shot))]


def _usable(index: PacketIndex, shots: Sequence[Places]) -> list[Stamps]:
    """Return the stamps of shots that may become looks, ascending.

    Frames that are decoded after a key frame and shown before it may need frames of the group
    before: they are left out. So is what lies far behind its key frame, where there are several.
    """
    starts = np.flatnonzero(index.keys)
    lengths = np.diff(np.append(starts, len(index.pts)))
    alone = index.pts >= np.repeat(index.pts[starts], lengths)
    groups = sum(int(index.keys[shot].sum()) for shot in shots)
    if groups > 1:
        behind = np.arange(len(index.pts)) - np.repeat(starts, lengths)
        alone &= behind < max(LOOKS_PER_SHOT, MOST_BETWEEN // groups)
    return [np.sort(index.pts[shot[alone[shot]]]) for shot in shots]


def _thin(keys: Stamps, index: PacketIndex) -> Stamps:
    """Return key frames, evenly thinned to so many per second, but no fewer than a shot needs."""
    keys = np.sort(keys)
    seconds = index.seconds(int(keys[-1])) - index.seconds(int(keys[0]))
    most = max(LOOKS_PER_SHOT, round(seconds * LOOKS_PER_SECOND))
    if len(keys) <= most:
        return keys
    return keys[np.linspace(0, len(keys) - 1, most).round().astype(np.int64)]


def _extra(shot: Stamps, keys: Stamps) -> list[int]:
    """Return further frames of a shot, each the farthest from those before and from both ends."""
    looks = keys[(keys >= shot[0]) & (keys <= shot[-1])]
    missing = min(LOOKS_PER_SHOT, len(shot)) - len(looks)
    extra: list[int] = []
    for _ in range(missing):
        taken = np.concatenate([looks, np.array(extra, dtype=np.int64)])
        if not len(taken):
            taken = shot[-1:] if len(shot) == 1 else shot[[0, -1]]
        farthest = int(shot[np.abs(shot[:, None] - taken).min(axis=1).argmax()])
        extra.append(farthest)
    return extra
