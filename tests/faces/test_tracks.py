"""Faces over time: which detections become one track, and what is known between detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.core.face import Box, Face, FaceTrack
from unmask.faces.tracks import Tracker

HEIGHT, WIDTH = 120, 240
EVERY = 0.5
FPS = 10
SHARES = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
"""Landmarks in shares of a face's box."""


def box_at(x: float, *, y: float = 30, side: float = 48) -> Box:
    return (x, y, x + side, y + side)


def face_in(box: Box) -> Face:
    corner, sides = np.array(box[:2]), np.array(box[2:]) - box[:2]
    points = tuple((float(x), float(y)) for x, y in corner + SHARES * sides)
    return Face(box, points, 0.99)


@dataclass
class Frame:
    """A frame whose colour picture tells its number."""

    index: int
    pts_seconds: float
    luma: NDArray[np.uint8]
    scale: float = 1.0

    def rgb(self) -> NDArray[np.uint8]:
        return np.full((*self.luma.shape, 3), self.index, dtype=np.uint8)


class Scripted:
    """Finds what the script says is in a frame."""

    name = "scripted"
    sure_confidence = 0.9
    least_face_px = 20.0

    def __init__(self, script: Callable[[int], Sequence[Box]]) -> None:
        self.script = script
        self.looked_at: list[int] = []

    def detect(
        self,
        image: NDArray[np.uint8],
        near: Sequence[Box] | None = None,
        *,
        smallest_px: int | None = None,
    ) -> list[Face]:
        number = int(image[0, 0, 0])
        if number not in self.looked_at:
            self.looked_at.append(number)
        return [face_in(box) for box in self.script(number)]


def noise(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 40, (HEIGHT, WIDTH), dtype=np.uint8) for _ in range(count)]


def follow(
    script: Callable[[int], Sequence[Box]],
    count: int,
    *,
    seconds: Sequence[float] | None = None,
    lumas: Sequence[NDArray[np.uint8]] | None = None,
    scale: float = 1.0,
) -> tuple[list[FaceTrack], Tracker, Scripted]:
    """Track a scripted clip of `count` frames."""
    detector = Scripted(script)
    tracker = Tracker(detector, every_seconds=EVERY)
    stamps = [n / FPS for n in range(count)] if seconds is None else seconds
    pictures = [np.zeros((HEIGHT, WIDTH), np.uint8)] * count if lumas is None else lumas
    for n in range(count):
        luma = pictures[n].copy()
        luma[0, 0] = n  # the last frame before an end is searched in grey
        tracker.add(Frame(n, stamps[n], luma, scale))
    return tracker.finish(), tracker, detector


def test_a_clip_without_faces_has_no_tracks() -> None:
    tracks, _, _ = follow(lambda _: [], 20)
    assert tracks == []


def test_a_face_at_rest_is_one_track_over_all_frames() -> None:
    (track,), _, _ = follow(lambda _: [box_at(20)], 23)
    assert track.frame_indices.tolist() == list(range(23))
    np.testing.assert_array_equal(track.boxes, np.tile(box_at(20), (23, 1)))


def test_boxes_are_in_pixels_of_the_original() -> None:
    (track,), _, _ = follow(lambda _: [box_at(20)], 6, scale=0.5)
    np.testing.assert_array_equal(track.boxes[0], np.array(box_at(20)) * 2)
    np.testing.assert_allclose(track.landmarks[0], np.array(face_in(box_at(20)).landmarks) * 2)


def test_between_detections_boxes_and_landmarks_are_linear_in_time() -> None:
    rng = np.random.default_rng(3)
    seconds = np.cumsum(rng.uniform(0.02, 0.12, 40)).tolist()  # a variable frame rate

    def script(n: int) -> list[Box]:
        return [box_at(10 + 0.05 * n**2, y=20 + 5 * np.sin(n / 4), side=40 + n / 4)]

    (track,), _, detector = follow(script, 40, seconds=seconds)
    looked = detector.looked_at
    assert 3 < len(looked) < 30
    inside = slice(0, looked[-1] + 1)
    faces = [face_in(script(n)[0]) for n in looked]
    times = [seconds[n] for n in looked]
    for got, known in (
        (track.boxes, np.array([f.box for f in faces])),
        (track.landmarks.reshape(-1, 10), np.array([np.ravel(f.landmarks) for f in faces])),
    ):
        for column in range(known.shape[1]):
            expected = np.interp(seconds[inside], times, known[:, column])
            np.testing.assert_allclose(got[inside, column], expected, atol=1e-3)


def test_the_last_frame_is_searched_too() -> None:
    (track,), _, detector = follow(lambda n: [box_at(2 * n)], 14)
    assert detector.looked_at[-1] == 13
    np.testing.assert_array_equal(track.boxes[-1], box_at(26))


def test_a_track_ends_with_its_last_detection() -> None:
    (track,), _, detector = follow(lambda n: [box_at(20)] if n < 11 else [], 14)
    seen = [n for n in detector.looked_at if n < 11]
    assert detector.looked_at[-1] == 13
    assert track.frame_indices.tolist() == list(range(seen[-1] + 1))


def test_two_faces_that_cross_keep_their_tracks() -> None:
    def script(n: int) -> list[Box]:
        right, left = box_at(5 * n, side=40), box_at(150 - 6 * n, y=32, side=40)
        return [right, left] if n % 2 else [left, right]

    (one, other), _, _ = follow(script, 26)
    np.testing.assert_allclose(one.boxes[:, 0], 5 * np.arange(26), atol=1e-4)
    np.testing.assert_allclose(other.boxes[:, 0], 150 - 6 * np.arange(26), atol=1e-4)


def test_a_fast_face_is_followed_by_its_motion() -> None:
    """From the third detection on, it no longer overlaps where it was half a second ago."""
    x = [0, 0, 0, 0, 0, *(22 + 12 * n for n in range(11))]
    (track,), _, _ = follow(lambda n: [box_at(x[n])], 16)
    assert len(track) == 16


def test_a_face_that_turns_back_is_still_the_same() -> None:
    (track,), _, _ = follow(lambda n: [box_at(100 - 6 * abs(n - 10))], 21)
    assert len(track) == 21


def test_a_new_face_gets_a_track_of_its_own_from_when_it_is_first_seen() -> None:
    def script(n: int) -> list[Box]:
        return [box_at(10), box_at(150)] if n >= 8 else [box_at(10)]

    (first, second), _, detector = follow(script, 30)
    assert (first.id, second.id) == (1, 2)
    assert second.frame_indices[0] == min(n for n in detector.looked_at if n >= 8)


def test_a_face_missed_once_is_bridged() -> None:
    """The frames of the gap lie on the line between the two detections around it."""
    (track,), _, detector = follow(lambda n: [] if 8 <= n <= 12 else [box_at(2 * n)], 26)
    assert any(8 <= n <= 12 for n in detector.looked_at)
    assert track.frame_indices.tolist() == list(range(26))
    np.testing.assert_allclose(track.boxes[5:16, 0], 2 * np.arange(5, 16), atol=1e-4)


def test_a_face_missed_for_long_ends_where_it_was_last_seen() -> None:
    tracks, _, detector = follow(lambda n: [] if 8 <= n <= 27 else [box_at(20)], 40)
    before, after = tracks
    assert before.frame_indices[-1] == max(n for n in detector.looked_at if n < 8)
    assert after.frame_indices[0] == min(n for n in detector.looked_at if n > 27)


def test_a_face_seen_once_is_a_track_too() -> None:
    def script(n: int) -> list[Box]:
        return [box_at(10), box_at(170)] if n == 11 else [box_at(10)]

    first, stray = follow(script, 40)[0]
    assert (len(first), len(stray)) == (40, 1)
    assert stray.frame_indices.tolist() == [11]


def test_a_cut_ends_all_tracks_and_others_begin() -> None:
    lumas = [np.full((HEIGHT, WIDTH), 30 if n < 13 else 200, np.uint8) for n in range(30)]
    (before, after), tracker, detector = follow(lambda _: [box_at(20)], 30, lumas=lumas)
    assert tracker.cuts == [1.3]
    assert before.frame_indices.tolist() == list(range(13))
    assert after.frame_indices.tolist() == list(range(13, 30))
    assert 13 in detector.looked_at


def test_a_fade_is_no_cut() -> None:
    lumas = [np.full((HEIGHT, WIDTH), 8 * n, np.uint8) for n in range(30)]
    tracks, tracker, _ = follow(lambda _: [box_at(20)], 30, lumas=lumas)
    assert (len(tracks), tracker.cuts) == (1, [])


def test_a_jump_of_the_clock_ends_all_tracks() -> None:
    seconds = [n / FPS + (3600 if n >= 13 else 0) for n in range(30)]
    before, after = follow(lambda _: [box_at(20)], 30, seconds=seconds)[0]
    assert before.frame_indices.tolist() == list(range(13))
    assert after.frame_indices.tolist() == list(range(13, 30))


def test_slow_pictures_are_no_jump() -> None:
    (track,), _, _ = follow(lambda _: [box_at(20)], 8, seconds=[3.0 * n for n in range(8)])
    assert len(track) == 8


def test_a_face_at_rest_is_looked_at_twice_a_second() -> None:
    _, _, detector = follow(lambda _: [box_at(20)], 40)
    assert detector.looked_at == [0, 1, 6, 11, 16, 21, 26, 31, 36, 39]


def test_faces_that_meet_are_looked_at_closely() -> None:
    """Closely from before they touch, and no more once they have parted for a while."""

    def script(n: int) -> list[Box]:
        return [box_at(min(4 * n, 140)), box_at(max(0, 150 - 2 * n), side=40)]

    _, _, detector = follow(script, 80)
    assert set(range(20, 28)) <= set(detector.looked_at)
    assert len([n for n in detector.looked_at if n >= 60]) <= 5


def test_frames_in_which_a_face_is_hidden_are_left_out() -> None:
    """It goes behind the other, whose box covers its place, and comes out on the far side."""

    def script(n: int) -> list[Box]:
        walker = [] if 14 <= n <= 21 else [box_at(6 * n)]
        return [*walker, box_at(104)]

    walker, other = follow(script, 40)[0]
    assert walker.frame_indices.tolist() == [*range(14), *range(22, 40)]
    np.testing.assert_allclose(walker.boxes[:, 0], 6 * walker.frame_indices, atol=1e-4)
    assert np.isnan(walker.differences[14])
    assert other.frame_indices.tolist() == list(range(40))
    assert walker.clear is not None
    assert not walker.clear[(walker.frame_indices > 10) & (walker.frame_indices < 25)].any()
    assert walker.clear[:6].all()


def test_what_shows_of_a_hidden_face_begins_no_track() -> None:
    """Beside the one in front, a sliver where the hidden one is expected: no third face."""

    def script(n: int) -> list[Box]:
        if 12 <= n <= 16:
            return [box_at(100), (80.0, 30.0, 98.0, 78.0)]
        return [box_at(100), box_at(60)]

    tracks = follow(script, 40)[0]
    assert len(tracks) == 2


def test_differences_equal_a_plain_recomputation() -> None:
    """Faces of 48 px at whole positions, so that a crop is a slice of the frame."""
    lumas = noise(16)
    (track,), _, _ = follow(lambda n: [box_at(3 * n)], 16, lumas=lumas)
    crops = [lumas[n][30:78, 3 * n : 3 * n + 48].astype(float) for n in range(16)]
    expected = [np.abs(b - a).mean() for a, b in pairwise(crops)]
    assert np.isnan(track.differences[0])
    np.testing.assert_allclose(track.differences[1:], expected, atol=1e-4)


def test_the_first_difference_after_a_cut_is_not_measured() -> None:
    lumas = [np.full((HEIGHT, WIDTH), 30 if n < 8 else 200, np.uint8) for n in range(16)]
    tracks, _, _ = follow(lambda _: [box_at(20)], 16, lumas=lumas)
    for track in tracks:
        assert np.isnan(track.differences[0])
        np.testing.assert_array_equal(track.differences[1:], 0)


def test_a_still_picture_is_a_track_of_one_frame() -> None:
    (track,), _, _ = follow(lambda _: [box_at(20)], 1)
    assert (len(track), bool(np.isnan(track.differences[0]))) == (1, True)


@settings(max_examples=40, deadline=None)
@given(
    present=st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=40),
    gaps=st.lists(st.floats(0.01, 0.7), min_size=40, max_size=40),
    cut=st.integers(1, 45),
)
def test_tracks_are_ordered_and_disjoint_whatever_is_detected(
    present: list[set[int]], gaps: list[float], cut: int
) -> None:
    count = len(present)
    lumas = [np.full((HEIGHT, WIDTH), 30 if n < cut else 200, np.uint8) for n in range(count)]
    tracks, _, detector = follow(
        lambda n: [box_at(80 * k) for k in sorted(present[n])],
        count,
        seconds=np.cumsum(gaps).tolist(),
        lumas=lumas,
    )
    assert [t.id for t in tracks] == list(range(1, len(tracks) + 1))
    assert [t.frame_indices[0] for t in tracks] == sorted(t.frame_indices[0] for t in tracks)
    places = [
        (int(i), int(b[0])) for t in tracks for i, b in zip(t.frame_indices, t.boxes, strict=True)
    ]
    assert len(set(places)) == len(places)
    for track in tracks:
        assert set(np.diff(track.frame_indices)) <= {1}
        assert not ((track.frame_indices < cut).any() and (track.frame_indices >= cut).any())
    last = {cut - 1, count - 1}  # there, only faces that are known are looked for
    seen = {(n, 80 * k) for n in detector.looked_at if n not in last for k in present[n]}
    assert seen <= set(places)
