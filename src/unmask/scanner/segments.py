"""A result as stretches of time with a score each, for programs that mark a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from unmask.core.scan_record import Segment, TrackResult


def segments(tracks: Sequence[TrackResult], *, still: bool) -> tuple[Segment, ...]:
    """Cut each face's time at the middles between its key frames.

    Args:
        tracks: the faces.
        still: whether the file is a picture.

    Returns:
        A segment for each key frame, by face and time; together they cover the face's time.
    """
    return tuple(each for track in tracks for each in _of_face(track, still=still))


def _of_face(track: TrackResult, *, still: bool) -> list[Segment]:
    times = [key.pts_seconds for key in track.key_frames]
    middles = [(a + b) / 2 for a, b in pairwise(times)]
    ends = [track.start_seconds, *middles, track.end_seconds]
    return [
        Segment(
            start_seconds=start,
            end_seconds=end,
            face=track.id,
            box=key.box,
            modality="picture" if still else "video",
            kind="face manipulation",
            score=key.probability if key.unusable is None else None,
        )
        for key, (start, end) in zip(track.key_frames, pairwise(ends), strict=False)
    ]
