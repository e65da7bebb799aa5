"""Which face of a forged video is the forged one: by the mask, else by what can be said without.

A label says that a video is forged, not who in it. Where a manipulation mask exists, the faces
under it are forged and others are left out. Without one, a face that is never seen beside another
is taken for the forged one; of several at a time the largest is the likeliest, and the others are
kept and flagged as uncertain, so that a user can leave them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unmask.core.face import FaceTrack
from unmask.crops.record import ForgedFace
from unmask.scanner.passes import weight

_LEAST_SHARE = 0.02
"""Least part of a forged face's box that its mask covers, on average; a mouth is a tenth."""
_LEAST_OF_BEST = 0.5
"""The same as a part of what the mask covers of the best covered face."""


def forged_faces(
    tracks: Sequence[FaceTrack], mask_shares: Mapping[int, float]
) -> dict[int, ForgedFace]:
    """Say which tracks of a forged video are to be kept, and why.

    Args:
        tracks: of the video.
        mask_shares: for the tracks that have masks, the mean part of the face's box that they
            cover, in [0, 1].

    Returns:
        The reason by track id; a track that is absent was not forged.
    """
    least = max(_LEAST_SHARE, _LEAST_OF_BEST * max(mask_shares.values(), default=0.0))
    masked = {number for number, share in mask_shares.items() if share >= least}
    if not masked:
        unsure = bool(mask_shares)
        return {t.id: "uncertain" if unsure else _by_size(t, tracks) for t in tracks}
    unmasked = set(mask_shares) - masked
    kept: dict[int, ForgedFace] = {}
    for track in tracks:
        if track.id in masked:
            kept[track.id] = "mask"
        elif track.id not in unmasked:
            kept[track.id] = "uncertain"
    return kept


def _by_size(track: FaceTrack, tracks: Sequence[FaceTrack]) -> ForgedFace:
    beside = [other for other in tracks if other.id != track.id and _together(track, other)]
    if not beside:
        return "only-face"
    largest = all(weight(track) > weight(other) for other in beside)
    return "largest" if largest else "uncertain"


def _together(one: FaceTrack, other: FaceTrack) -> bool:
    """Tell whether two faces are seen at the same time."""
    return bool(
        one.frame_indices[0] <= other.frame_indices[-1]
        and other.frame_indices[0] <= one.frame_indices[-1]
    )
