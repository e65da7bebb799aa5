"""Which tracks of one film show one person, as far as that can be said without face recognition.

A clip that is looped, or cut back to, gives a track for each time a face comes on. Tracks are put
together where every one has a look that is nearly the same as one of every other. Who comes back
in another light or pose stays apart, as a rule: two people in one group would be worse. Nothing is
compared with another file and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import FaceTrack, Look
from unmask.faces.appearance import correlation, likeness

SAME_PERSON = 7.0
"""Log-odds from which two tracks are one person's: of 1,431 pairs of clips of two people none
reached 4, and without colour none reached 6 (`docs/tracking.md`)."""
_SAME_FACE, _SAME_HEAD = 0.6, 0.8
"""Least correlations of the two looks; they guard where there is no colour to compare."""


def group(tracks: Sequence[FaceTrack]) -> tuple[tuple[int, ...], ...]:
    """Group tracks by the person that they show.

    Args:
        tracks: of one film, with their looks; those seen at the same time are never one person.

    Returns:
        Ids of the tracks of each person, in order of appearance; every track is in one group.
    """
    groups = [[position] for position in range(len(tracks))]
    alike = _likenesses(tracks)
    while len(groups) > 1:
        score, first, second = max(
            (min(alike[a, b] for a in one for b in other), -n, -m)
            for n, one in enumerate(groups)
            for m, other in enumerate(groups[n + 1 :], n + 1)
        )
        if score < SAME_PERSON:
            break
        groups[-first] = sorted(groups[-first] + groups.pop(-second))
    return tuple(tuple(tracks[n].id for n in each) for each in sorted(groups))


def _likenesses(tracks: Sequence[FaceTrack]) -> NDArray[np.float64]:
    """Return how like each two tracks are, `(N, N)`; minus infinity for those seen together."""
    alike = np.full((len(tracks), len(tracks)), -np.inf)
    for n, one in enumerate(tracks):
        for m, other in enumerate(tracks[:n]):
            if not np.intersect1d(one.frame_indices, other.frame_indices).size:
                alike[n, m] = alike[m, n] = _likest(one.looks, other.looks)
    return alike


def _likest(looks: Sequence[Look], others: Sequence[Look]) -> float:
    """Return the likeness of the likest pair that may be nearly the same."""
    return max((_if_same(a, b) for a in looks for b in others), default=-np.inf)


def _if_same(one: Look, other: Look) -> float:
    face = correlation(one.face, other.face)
    head = correlation(one.head.mean(axis=2), other.head.mean(axis=2))
    if face is None or head is None or face < _SAME_FACE or head < _SAME_HEAD:
        return -np.inf
    like = likeness(one, other)
    return -np.inf if like is None else like
