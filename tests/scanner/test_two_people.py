"""Two people in one picture, from the file to the key frames: no face is taken for another's."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from clips import write_clip
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import ScanSettings
from unmask.faces.association import overlap
from unmask.faces.detector import create
from unmask.scanner.passes import FirstPass, choose, decode_chosen, first_pass, measured_key_frame
from unmask.scanner.scanner import persons

ORIGINAL = Path(__file__).parents[2] / "examples" / "original.mp4"
HEAD: tuple[int, int, int, int] = (180, 30, 460, 380)
"""Where the head is in the example."""
SIZE = (640, 240)
HEAD_SIZE = (144, 180)
FRAMES, FPS = 75, 25
SETTINGS = ScanSettings()


@pytest.fixture(scope="module")
def heads() -> list[tuple[Image.Image, Image.Image]]:
    """Return the head of the example and of somebody invented: mirrored and of other colours."""
    with av.open(str(ORIGINAL)) as container:
        frames = [each.to_image().crop(HEAD) for each in islice(container.decode(video=0), FRAMES)]
    small = [frame.resize(HEAD_SIZE, Image.Resampling.LANCZOS) for frame in frames]
    return [(one, _other(one)) for one in small]


def _other(head: Image.Image) -> Image.Image:
    mirrored = np.asarray(head.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).astype(float)
    tinted = np.clip(mirrored * [0.62, 0.55, 0.8] + [0, 0, 30], 0, 255)
    return Image.fromarray(tinted.astype(np.uint8))


def clip(path: Path, heads, way) -> Path:
    """Write a clip of both heads; `way` gives their left edges by frame, the second in front."""
    mask = Image.new("L", HEAD_SIZE)
    ImageDraw.Draw(mask).ellipse((6, 0, HEAD_SIZE[0] - 6, HEAD_SIZE[1] + 30), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(2))

    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        canvas = Image.new("RGB", size, (120, 124, 128))
        for head, left in zip(heads[number], way(number), strict=True):
            if left is not None:
                canvas.paste(head, (round(left), 40), mask)
        return np.asarray(canvas)

    options = {"crf": "12"}
    write_clip(path, frames=FRAMES, size=SIZE, fps=FPS, draw=draw, options=options)
    return path


def key_frames(first: FirstPass) -> list[tuple[int, KeyFrame]]:
    detector = create("mtcnn", threads=1)
    chosen = [choose(first, track, SETTINGS) for track in first.tracks]
    return [
        (each.track.id, measured_key_frame(detector, frame.image, each, position))
        for frame, each, position in decode_chosen(first, chosen, SETTINGS.limits)
    ]


def test_two_people_who_cross_keep_their_tracks_and_no_half_face_is_used(tmp_path, heads) -> None:
    def way(n: int) -> tuple[float, float]:
        return 20 + 450 * n / FRAMES, 480 - 450 * n / FRAMES

    first = first_pass(clip(tmp_path / "cross.mp4", heads, way), SETTINGS)
    one, other = first.tracks
    for track, person in ((one, 0), (other, 1)):
        middles = track.boxes[:, [0, 2]].mean(axis=1)
        expected = np.array([way(int(n))[person] for n in track.frame_indices]) + HEAD_SIZE[0] / 2
        assert np.abs(middles - expected).max() < 40
        assert track.frame_indices[[0, -1]].tolist() == [0, FRAMES - 1]
    for number, key in key_frames(first):
        behind = number == 1 and abs(np.subtract(*way(key.frame_index))) < 0.6 * HEAD_SIZE[0]
        assert (key.measured, key.unusable is None) == (True, not behind) or behind
        assert not (behind and key.unusable is None)
    assert len(persons(first, first.tracks)) == 2


def test_one_person_after_the_other_at_the_same_place_are_two_tracks(tmp_path, heads) -> None:
    """The change is too small a part of the picture for a cut."""

    def way(n: int) -> tuple[float | None, float | None]:
        return (250, None) if n < 33 else (None, 250)

    first = first_pass(clip(tmp_path / "replaced.mp4", heads, way), SETTINGS)
    before, after = first.tracks
    assert before.frame_indices[-1] < 33 <= after.frame_indices[0]
    assert len(persons(first, first.tracks)) == 2


def test_a_person_who_comes_back_is_one(tmp_path, heads) -> None:
    def way(n: int) -> tuple[float | None, float | None]:
        left = (20, 460, 20)[n // 30]
        return (left, None) if n % 30 < 24 else (None, None)

    looped = [heads[n % 30] for n in range(FRAMES)]
    first = first_pass(clip(tmp_path / "back.mp4", looped, way), SETTINGS)
    assert len(first.tracks) == 3
    (person,) = persons(first, first.tracks)
    assert person.tracks == (1, 2, 3)


def test_a_key_frames_face_is_measured_and_not_interpolated(tmp_path, heads) -> None:
    """A head that swings between two detections is found where it is."""

    def way(n: int) -> tuple[float | None, float | None]:
        return 250 + 14 * np.sin(2 * np.pi * n / 12), None

    still = [heads[0]] * FRAMES
    keys = key_frames(first_pass(clip(tmp_path / "swing.mp4", still, way), SETTINGS))
    assert all(key.measured for _, key in keys)
    aside = [(k.box[0] + k.box[2]) / 2 - (way(k.frame_index)[0] or 0) for _, k in keys]
    assert len(aside) >= 3
    assert np.ptp(aside) < 9


@pytest.mark.skipif("UNMASK_TEST_DATA" not in os.environ, reason="UNMASK_TEST_DATA is not set")
def test_the_two_of_a_research_clip_who_cross() -> None:
    first = first_pass(Path(os.environ["UNMASK_TEST_DATA"], "cases", "swap.mp4"), SETTINGS)
    one, other = first.tracks
    assert (np.diff(one.boxes[:, 0]) > -8).all()
    assert (np.diff(other.boxes[:, 0]) < 8).all()
    assert len(persons(first, first.tracks)) == 2
    for track, key in key_frames(first):
        assert key.measured
        hidden = track == 1 and 1.1 < key.pts_seconds < 1.95
        assert not hidden or key.unusable is not None
        mates = [t for t in first.tracks if t.id != track]
        for mate in mates:
            place = np.flatnonzero(mate.frame_indices == key.frame_index)
            if len(place):
                assert overlap(np.array(key.box), mate.boxes[place[0]].astype(float)) < 0.2
