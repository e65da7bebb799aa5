"""The first pass sorts out what its face detector was never sure of."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from clips import write_clip
from unmask.core.face import Face
from unmask.core.settings import ScanSettings
from unmask.scanner import passes

CLIP = Path(__file__).parents[2] / "examples" / "original.mp4"
LEFT, RIGHT = (40.0, 40.0, 140.0, 160.0), (300.0, 40.0, 400.0, 160.0)


def face(box, confidence):
    x0, y0, x1, y1 = box
    points = ((x0 + 20, y0 + 30), (x1 - 20, y0 + 30), (x0 + 50, y0 + 60), (x0, y1), (x1, y1))
    return Face(box, points, confidence)


@dataclass
class Detector:
    """Sees two still faces with given confidences, the right one sure once in a while."""

    left: float
    right: tuple[float, ...]
    name: str = "told"
    sure_confidence: float = 0.9
    least_face_px: float = 20.0
    calls: int = 0

    def detect(self, image, near=None, *, smallest_px=None):
        self.calls += 1
        return [face(LEFT, self.left), face(RIGHT, self.right[self.calls % len(self.right)])]


@pytest.fixture
def first_pass_with(monkeypatch):
    def run(detector):
        monkeypatch.setattr(passes, "create", lambda *_, **__: detector)
        return passes.first_pass(CLIP, ScanSettings())

    return run


def test_a_face_that_is_sure_once_is_a_face(first_pass_with):
    first = first_pass_with(Detector(left=0.85, right=(0.5, 0.95, 0.6)))
    (track,) = first.tracks
    assert (track.id, track.confidence) == (1, 0.95)
    assert track.boxes[0].tolist() == list(RIGHT)


def test_what_is_never_sure_is_kept_apart(first_pass_with):
    (doubtful,) = first_pass_with(Detector(left=0.85, right=(0.95,))).doubtful
    assert doubtful.confidence == 0.85
    assert doubtful.boxes[0].tolist() == list(LEFT)


def test_nothing_sure_leaves_no_face(first_pass_with):
    first = first_pass_with(Detector(left=0.85, right=(0.89,)))
    assert (len(first.tracks), len(first.doubtful)) == (0, 2)


@pytest.mark.parametrize(("frames", "single"), [(1, True), (2, True), (3, False)])
def test_a_film_of_one_or_two_frames_is_judged_like_a_picture(
    tmp_path, monkeypatch, frames, single
):
    path = write_clip(tmp_path / "short.mp4", frames=frames)
    monkeypatch.setattr(passes, "create", lambda *_, **__: Detector(left=0.95, right=(0.95,)))
    assert passes.first_pass(path, ScanSettings()).is_single_picture is single


def test_no_track_spans_a_jump_of_the_clock(tmp_path, monkeypatch):
    parts = []
    for hour in (0, 1):
        stamps = [3_600_000 * hour + 40 * number for number in range(30)]
        clip = write_clip(tmp_path / f"{hour}.ts", frames=30, stamps=stamps, size=(640, 480))
        parts.append(clip.read_bytes())
    (tmp_path / "whole.ts").write_bytes(b"".join(parts))
    monkeypatch.setattr(passes, "create", lambda *_, **__: Detector(left=0.5, right=(0.95,)))
    first = passes.first_pass(tmp_path / "whole.ts", ScanSettings())
    assert len(first.tracks) >= 2
    assert all(t.pts_seconds[-1] - t.pts_seconds[0] < 2 for t in first.tracks)


def test_pictures_are_reduced_to_no_less_than_two_fifths(tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "create", lambda *_, **__: Detector(left=0.5, right=(0.5,)))
    Image.new("RGB", (3000, 30)).save(tmp_path / "wide.png")
    first = passes.first_pass(tmp_path / "wide.png", ScanSettings())
    assert first.coverage.scale == pytest.approx(0.4)
    assert first.least_face_px == pytest.approx(50)


def frames_left_out(path, monkeypatch, **settings):
    monkeypatch.setattr(passes, "create", lambda *_, **__: Detector(left=0.95, right=(0.95,)))
    return passes.first_pass(path, ScanSettings(**settings)).coverage.frames_left_out


def test_frames_that_no_other_needs_are_left_out_unless_every_frame_is_asked_for(monkeypatch):
    assert frames_left_out(CLIP, monkeypatch) > 50
    assert frames_left_out(CLIP, monkeypatch, quick=False) == 0


@pytest.mark.parametrize("selector", ["local-maxima", "top-difference", "all", "random"])
def test_selectors_that_compare_frames_see_all_of_them(monkeypatch, selector):
    assert frames_left_out(CLIP, monkeypatch, selector=selector) == 0


@pytest.mark.parametrize(("frames", "fps", "left_out"), [(70, 25, 0), (90, 10, 0), (90, 25, 30)])
def test_films_that_have_few_frames_are_decoded_as_a_whole(
    tmp_path, monkeypatch, frames, fps, left_out
):
    options = {"x264-params": "bframes=2:b-adapt=0:b-pyramid=none"}
    path = write_clip(tmp_path / "film.mp4", frames=frames, fps=fps, options=options, gop=250)
    number = frames_left_out(path, monkeypatch)
    assert (number > 0) == (left_out > 0)
    assert number >= left_out
