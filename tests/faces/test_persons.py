"""Which tracks are put together as one person's."""

from __future__ import annotations

import numpy as np

from unmask.core.face import FaceTrack, Look
from unmask.faces.persons import group


def look(person: int, *, noise: float = 0.0, seed: int = 0) -> Look:
    """Return a look of an invented person, more or less the same each time."""
    rng, change = np.random.default_rng(person), np.random.default_rng(seed)
    head = np.clip(rng.uniform(60, 200, (10, 10, 1)) + rng.uniform(-60, 60, 3), 0, 255)
    face = rng.uniform(0, 255, (32, 32))
    return Look(
        (face + change.normal(0, 1 + noise, face.shape)).astype(np.float32),
        (head + change.normal(0, 1 + noise, head.shape)).astype(np.float32),
    )


def track(number: int, *looks: Look, start: int | None = None) -> FaceTrack:
    first = 20 * number if start is None else start
    indices = np.arange(first, first + 10)
    return FaceTrack(
        id=number,
        frame_indices=indices,
        pts_seconds=indices / 25,
        boxes=np.tile(np.float32([0, 0, 50, 50]), (10, 1)),
        landmarks=np.zeros((10, 5, 2), np.float32),
        differences=np.zeros(10, np.float32),
        confidence=0.99,
        looks=looks,
    )


def test_repeats_of_a_face_are_one_person() -> None:
    tracks = [track(n, look(n % 2, seed=n)) for n in range(1, 7)]
    assert group(tracks) == ((1, 3, 5), (2, 4, 6))


def test_a_track_that_looks_different_stays_apart() -> None:
    assert group([track(1, look(1)), track(2, look(1, noise=80)), track(3, look(2))]) == (
        (1,),
        (2,),
        (3,),
    )


def test_faces_seen_at_the_same_time_are_two_people() -> None:
    """Twins, mirrors and split screens."""
    assert group([track(1, look(1), start=0), track(2, look(1), start=5)]) == ((1,), (2,))


def test_a_track_like_two_people_does_not_join_them() -> None:
    between = track(2, look(1), look(2))
    assert len(group([track(1, look(1)), between, track(3, look(2))])) == 2


def test_tracks_without_looks_stay_apart() -> None:
    assert group([track(1), track(2)]) == ((1,), (2,))


def test_no_tracks_are_no_persons() -> None:
    assert group([]) == ()
