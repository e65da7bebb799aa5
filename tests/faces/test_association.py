"""Which detection is taken for which face."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.core.face import Look
from unmask.faces.association import (
    Expectation,
    Sighting,
    cost,
    distance_ratio,
    gap_ratio,
    link,
    overlap,
)


def look(seed: int) -> Look:
    """Return the look of an invented person."""
    rng = np.random.default_rng(seed)
    tint = rng.uniform(-60, 60, 3)
    head = np.clip(rng.uniform(60, 200, (10, 10, 1)) + tint, 0, 255)
    return Look(rng.uniform(0, 255, (32, 32)).astype(np.float32), head.astype(np.float32))


FLAT = Look(np.zeros((32, 32), np.float32), np.zeros((10, 10, 3), np.float32))


def box(x: float, *, side: float = 48) -> np.ndarray:
    return np.array([x, 30, x + side, 30 + side], dtype=np.float64)


def track(*boxes: np.ndarray, looks: tuple[Look, ...] = (), seconds: float = 0.5) -> Expectation:
    return Expectation(boxes, looks, seconds)


def sighting(where: np.ndarray, what: Look = FLAT, confidence: float = 0.99) -> Sighting:
    return Sighting(np.concatenate([where, np.zeros(10)]), confidence, what)


def test_overlap_is_shared_area_over_joint_area() -> None:
    one, other = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert overlap(one, other) == pytest.approx(50 / 150)
    assert overlap(one, one) == 1.0
    assert overlap(one, other + 100) == 0.0


def test_empty_boxes_do_not_overlap_and_are_far_from_each_other() -> None:
    empty = np.array([3.0, 3, 3, 3])
    assert overlap(empty, empty) == 0.0
    assert distance_ratio(empty, empty) == gap_ratio(empty, empty) == float("inf")


def test_gaps_and_distances_are_in_sides_of_the_boxes() -> None:
    assert gap_ratio(box(0), box(72)) == pytest.approx(0.5)
    assert gap_ratio(box(0), box(24)) == pytest.approx(-0.5)
    assert distance_ratio(box(0), box(72)) == pytest.approx(1.5)


def test_the_pairing_of_all_is_cheapest_not_the_first_pair() -> None:
    """Taking the nearest pair first would leave the other track without a face."""
    assert link([track(box(0)), track(box(20))], [sighting(box(12)), sighting(box(-34))]) == [
        (0, 1),
        (1, 0),
    ]


def test_a_track_may_be_where_it_was_or_where_it_should_be() -> None:
    expected = track(box(100), box(0))
    assert link([expected], [sighting(box(102))]) == [(0, 0)]
    assert link([expected], [sighting(box(2))]) == [(0, 0)]


def test_a_face_far_away_is_linked_only_where_it_looks_the_same() -> None:
    mine = track(box(0), looks=(look(1),))
    assert link([mine], [sighting(box(70), look(1))]) == [(0, 0)]
    assert link([mine], [sighting(box(70), look(2))]) == []
    assert link([mine], [sighting(box(70))]) == []


def test_another_person_at_the_same_place_is_not_linked() -> None:
    assert link([track(box(0), looks=(look(1),))], [sighting(box(0), look(2))]) == []


def test_looks_decide_where_two_faces_are_at_one_place() -> None:
    tracks = [track(box(0), looks=(look(1),)), track(box(4), looks=(look(2),))]
    assert link(tracks, [sighting(box(0), look(2)), sighting(box(4), look(1))]) == [(0, 1), (1, 0)]


def test_a_face_does_not_double_its_size_within_a_moment() -> None:
    assert cost(track(box(0)), sighting(box(-24, side=96))) == float("inf")


def test_detections_that_are_sure_come_first() -> None:
    unsure, sure = sighting(box(0), confidence=0.5), sighting(box(9))
    assert link([track(box(0))], [unsure, sure], sure_confidence=0.9) == [(0, 1)]
    assert link([track(box(0))], [unsure], sure_confidence=0.9) == [(0, 0)]
