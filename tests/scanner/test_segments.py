"""Segments: they cover each face's time, and carry the scores of its key frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scan_records import scan_record
from unmask.core.scan_record import TrackResult
from unmask.scanner.segments import segments


@pytest.fixture
def track() -> TrackResult:
    first = scan_record("a.mp4").tracks[0]
    key = first.key_frames[0]
    keys = tuple(
        replace(key, frame_index=n, pts_seconds=at, probability=p, unusable=why)
        for n, (at, p, why) in enumerate([(1.0, 0.2, None), (3.0, 0.9, None), (4.0, 0.8, "dark")])
    )
    return replace(first, start_seconds=0.5, end_seconds=6.0, key_frames=keys)


def test_segments_cover_the_time_of_a_face_without_gap(track: TrackResult) -> None:
    parts = segments([track], still=False)
    assert [(p.start_seconds, p.end_seconds) for p in parts] == [(0.5, 2.0), (2.0, 3.5), (3.5, 6.0)]


def test_a_frame_that_cannot_be_used_gives_its_segment_no_score(track: TrackResult) -> None:
    assert [p.score for p in segments([track], still=False)] == [0.2, 0.9, None]


def test_a_segment_names_face_box_and_modality(track: TrackResult) -> None:
    (part, *_) = segments([replace(track, id=7)], still=True)
    assert (part.face, part.box, part.modality) == (7, track.key_frames[0].box, "picture")


def test_a_face_without_key_frames_has_no_segment(track: TrackResult) -> None:
    assert segments([replace(track, key_frames=())], still=False) == ()
