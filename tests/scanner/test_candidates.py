"""A film that is read once gives what two passes over it give."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from clips import write_clip
from unmask.core.settings import ScanSettings
from unmask.scanner import candidates, passes
from unmask.scanner.keyframes import FORESEEABLE, GRID_RATIO, SELECTORS
from unmask.scanner.scanner import Scanner

EXAMPLE = Path(__file__).parents[2] / "examples" / "original.mp4"
VIDEOS = Path(os.environ.get("UNMASK_TEST_DATA", "/nowhere"), "videos")
VISIBLE = sorted(path for path in VIDEOS.rglob("*") if path.suffix in {".mp4", ".avi", ".mov"})
SIZE = (640, 360)


def example_frames(count: int) -> list[NDArray[np.uint8]]:
    with av.open(str(EXAMPLE)) as container:
        frames = islice(container.decode(video=0), count)
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in frames]


@pytest.fixture(scope="module")
def faces() -> list[NDArray[np.uint8]]:
    """Frames of one face, `(h, w, 3)`."""
    return example_frames(50)


@pytest.fixture
def decoded_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the frames that are decoded a second time, as it happens."""
    seen: list[int] = []
    read = passes._frames_at

    def noted(first: Any, stamps: Any, limits: Any) -> Any:
        seen.extend(stamp.index for stamp in stamps)
        return read(first, stamps, limits)

    monkeypatch.setattr(passes, "_frames_at", noted)
    return seen


def scanned_both_ways(path: Path, again: list[int], **settings: Any) -> tuple[int, int]:
    """Scan with and without what was kept, and compare all of it.

    Returns:
        How many key frames there are, and how many of their pictures were decoded again.
    """
    scanner = Scanner(settings=ScanSettings(explain=(), **settings))
    first = scanner.first_pass(path)
    once = scanner.scan_first(first)
    decoded = len(again)
    twice = scanner.scan_first(replace(first, kept=None))
    assert once.result == twice.result
    for one, other in zip(once.pictures, twice.pictures, strict=True):
        crops, same_crops = (one.crop, *one.other_crops), (other.crop, *other.other_crops)
        for crop, same in zip(crops, same_crops, strict=True):
            np.testing.assert_array_equal(crop, same)
    return sum(len(track.key_frames) for track in once.result.tracks), decoded


@pytest.mark.parametrize(
    ("settings", "frames"), [({}, 12), ({"budget": 3, "sample_fps": 9.0}, 3), ({"triage": True}, 8)]
)
def test_a_film_of_one_face_is_read_once(
    decoded_again: list[int], settings: Any, frames: int
) -> None:
    assert scanned_both_ways(EXAMPLE, decoded_again, **settings) == (frames, 0)


@pytest.mark.parametrize("selector", SELECTORS)
def test_each_selector_chooses_the_same_either_way(decoded_again: list[int], selector: str) -> None:
    frames, again = scanned_both_ways(EXAMPLE, decoded_again, selector=selector, budget=4)
    if selector in FORESEEABLE:
        assert again < frames  # those that fill up too few are chosen at the end
    else:
        assert again == frames


def test_shots_of_one_and_two_faces_are_read_once(
    tmp_path: Path, faces: list[NDArray[np.uint8]], decoded_again: list[int]
) -> None:
    def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        one = faces[number % len(faces)]
        if number < 40:
            return one
        two = np.hstack([one[:, 160:480], one[:, 480:160:-1]])
        return np.roll(two, 20, axis=0) if number > 75 else two

    path = write_clip(tmp_path / "shots.mp4", frames=110, size=SIZE, draw=draw)
    frames, again = scanned_both_ways(path, decoded_again)
    assert frames > 24
    assert again <= frames // 4


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_films_are_read_once(
    tmp_path: Path, faces: list[NDArray[np.uint8]], decoded_again: list[int], rotation: int
) -> None:
    def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        square = faces[number][:, 140:500]
        return np.ascontiguousarray(np.rot90(square, -rotation // 90))

    path = write_clip(
        tmp_path / "turned.mp4", frames=40, size=(360, 360), draw=draw, rotation_ccw=rotation
    )
    assert scanned_both_ways(path, decoded_again) == (12, 0)


def test_frames_of_which_no_part_can_be_kept_are_decoded_again(
    tmp_path: Path, faces: list[NDArray[np.uint8]], decoded_again: list[int]
) -> None:
    path = write_clip(
        tmp_path / "rgb.mkv",
        frames=20,
        size=SIZE,
        codec="ffv1",
        pix_fmt="bgr0",
        draw=lambda number, size: faces[number],
    )
    assert scanned_both_ways(path, decoded_again) == (12, 12)


@pytest.mark.parametrize("limit", ["MOST_KEPT_BYTES", "MOST_HELD_BYTES"])
def test_a_lack_of_memory_changes_no_result(
    monkeypatch: pytest.MonkeyPatch, decoded_again: list[int], limit: str
) -> None:
    monkeypatch.setattr(candidates, limit, 300_000)
    frames, again = scanned_both_ways(EXAMPLE, decoded_again)
    assert 0 < again <= frames


def test_no_more_is_kept_of_a_long_film(
    tmp_path: Path, faces: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []
    let_go = candidates.Candidates.let_go

    def noted(self: candidates.Candidates, latest: int, oldest: int | None) -> None:
        let_go(self, latest, oldest)
        most.append(sum(len(share.parts) for share in self._shares.values()))

    monkeypatch.setattr(candidates.Candidates, "let_go", noted)
    path = write_clip(
        tmp_path / "long.mp4", frames=150, size=SIZE, draw=lambda n, _: faces[n % len(faces)]
    )
    first = passes.first_pass(path, ScanSettings(budget=2), keep=True)
    assert len(first.tracks) == 1
    assert max(most) == GRID_RATIO * 2
    assert "2 parts" in repr(first.kept)


@pytest.mark.system
@pytest.mark.parametrize("path", VISIBLE, ids=lambda path: path.stem)
def test_visible_clips_give_the_same_either_way(path: Path, decoded_again: list[int]) -> None:
    scanned_both_ways(path, decoded_again)
