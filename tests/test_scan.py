"""A file goes in, an explained verdict or a stated reason comes out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest

from crashing import dies_on_bad
from unmask.errors import AnalysisCrashed, InputNotFound, NotMedia
from unmask.jobs import Job, scan_all
from unmask.provenance import repeat_command
from unmask.report.document import from_json, to_json
from unmask.scan import Scanner
from unmask.settings import ScanSettings
from unmask.values import SCHEMA_VERSION, Scan, ScanDocument

EXAMPLES = Path(__file__).parent.parent / "examples"


def write_blank(path: Path, frames: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for level in range(frames):
            image = np.full((120, 160, 3), 60 + level % 50, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner()


@pytest.fixture(scope="module")
def scan(scanner: Scanner) -> Scan:
    return scanner.scan(EXAMPLES / "forged.mp4")


def test_a_face_gets_a_track_key_frames_scores_and_a_verdict(scan: Scan) -> None:
    (track,) = scan.result.tracks
    assert track.end_seconds - track.start_seconds > 5
    assert 3 <= len(track.key_frames) <= 32
    assert all(k.logit is not None and k.sharpness is not None for k in track.key_frames)
    assert scan.result.verdict == track.verdict
    low, high = track.verdict.interval
    assert low <= track.verdict.probability <= high


def test_the_verdicts_logit_is_the_mean_over_usable_key_frames(scan: Scan) -> None:
    (track,) = scan.result.tracks
    logits = [k.logit for k in track.key_frames if k.unusable is None]
    assert track.verdict.logit == pytest.approx(np.mean(logits))


def test_every_key_frame_has_its_crop_and_map(scan: Scan) -> None:
    shown = {(p.track_id, p.frame_index) for p in scan.pictures}
    assert shown == {(t.id, k.frame_index) for t in scan.result.tracks for k in t.key_frames}
    assert all(p.crop.shape == (*p.saliency.shape, 3) for p in scan.pictures)


def test_scanning_twice_gives_the_same_result(scanner: Scanner, scan: Scan) -> None:
    assert scanner.scan(EXAMPLES / "forged.mp4").result == scan.result


def test_the_result_survives_json(scan: Scan) -> None:
    document = ScanDocument(SCHEMA_VERSION, (scan.result,), ())
    assert from_json(to_json(document)) == document


def test_the_forged_example_is_more_suspicious_than_its_original(
    scanner: Scanner, scan: Scan
) -> None:
    original = scanner.scan(EXAMPLES / "original.mp4").result
    assert scan.result.verdict.logit > original.verdict.logit


def test_a_video_without_a_face_cannot_be_judged(scanner: Scanner, tmp_path: Path) -> None:
    result = scanner.scan(write_blank(tmp_path / "blank.mp4", 20)).result
    assert result.verdict.word == "cannot judge"
    assert result.verdict.reason == "no face was found in 20 sampled frames"
    assert not result.coverage.complete


def test_one_frame_of_video_cannot_be_judged(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    with av.open(str(EXAMPLES / "original.mp4")) as source, av.open(str(path), "w") as target:
        image = next(source.decode(video=0)).to_ndarray(format="rgb24")
        stream = target.add_stream("libx264", rate=25)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode())
    verdict = scanner.scan(path).result.verdict
    assert verdict.word == "cannot judge"
    assert "1 usable key frame of 1, at least 3 needed" in verdict.reason


def test_a_still_picture_is_judged_with_a_caution(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    with av.open(str(EXAMPLES / "original.mp4")) as source:
        next(source.decode(video=0)).to_image().save(path)
    verdict = scanner.scan(path).result.verdict
    assert verdict.word != "cannot judge"
    assert "one picture only" in verdict.reason


def test_the_budget_is_kept(tmp_path: Path) -> None:
    result = Scanner(settings=ScanSettings(budget=4)).scan(EXAMPLES / "original.mp4").result
    assert [len(t.key_frames) for t in result.tracks] == [4]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"selector": "best"}, "unknown selector 'best'"), ({"face_detector": "x"}, "no face det")],
)
def test_unknown_names_are_refused_before_any_file_is_opened(
    change: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Scanner(settings=ScanSettings(**change))


def test_the_command_repeats_the_settings() -> None:
    settings = dataclasses.replace(ScanSettings(), selector="uniform", explain=False)
    words = repeat_command("a b.mp4", settings, None)
    assert words == "unmask scan --selector uniform --no-explain -- 'a b.mp4'"


def test_a_bad_file_costs_the_others_nothing(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    paths = [str(text), str(tmp_path / "none.mp4"), str(EXAMPLES / "original.mp4")]
    bad, missing, good = (outcome for _, outcome in scan_all(paths, Job()))
    assert isinstance(bad, NotMedia)
    assert isinstance(missing, InputNotFound)
    assert isinstance(good, Scan)


def test_a_worker_that_dies_is_reported_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = str(EXAMPLES / "original.mp4")
    monkeypatch.setattr("unmask.jobs._scan", dies_on_bad)
    outcomes = dict(scan_all(["bad", good], Job()))
    assert isinstance(outcomes["bad"], AnalysisCrashed)
    assert isinstance(outcomes[good], Scan)
