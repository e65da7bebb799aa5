"""A file goes in, an explained verdict or a stated reason comes out."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from crashing_scans import dies_on_bad
from unmask.bundle.manifest import (
    CalibratedRange,
    LikelihoodRatio,
    load_bundle,
    shipped_folder,
    write_manifest,
)
from unmask.cli.runs.scan_summary import summary
from unmask.core.errors import AnalysisCrashed, InputNotFound, NotMedia
from unmask.core.scan import Scan
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument, TrackResult
from unmask.core.settings import Limits, ScanSettings
from unmask.report.document import from_json, to_json
from unmask.scanner.batch import Job, scan_all
from unmask.scanner.passes import first_pass
from unmask.scanner.repetition import repeat_command
from unmask.scanner.scanner import Scanner, coverage, list_passing
from unmask.scanner.verdict import cannot_judge

EXAMPLES = Path(__file__).parents[2] / "examples"


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
    assert scan.result.verdict == replace(track.verdict, faces_judged=1, deciding_track=track.id)
    low, high = track.verdict.interval
    assert low <= track.verdict.probability <= high


def test_the_verdicts_logit_is_the_mean_over_usable_key_frames(scan: Scan) -> None:
    (track,) = scan.result.tracks
    logits = [k.logit for k in track.key_frames if k.unusable is None]
    assert track.verdict.logit == pytest.approx(np.mean(logits))


def test_every_key_frame_has_its_crop_and_map(scan: Scan) -> None:
    shown = {(p.track_id, p.frame_index) for p in scan.pictures}
    assert shown == {(t.id, k.frame_index) for t in scan.result.tracks for k in t.key_frames}
    assert all(p.crop.shape == (*p.maps[0].values.shape, 3) for p in scan.pictures)


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


def scan_with(folder: Path, *, level: str, face_px: tuple[float, float]) -> Scan:
    """Scan an example with a detector that has likelihood ratios and a calibrated range."""
    shutil.copytree(shipped_folder(), folder)
    manifest = load_bundle(folder).manifest
    fitted = {"level": level, "aggregation": None if level == "crop" else "mean"}
    changes = {
        "calibration": manifest.calibration.model_copy(update=fitted),
        "likelihood": LikelihoodRatio(
            log10_lower=-1, log10_upper=1, cllr=0.6, min_cllr=0.5, data="made up"
        ),
        "calibrated_range": CalibratedRange(face_px=face_px, sharpness=None, compressions=()),
    }
    write_manifest(folder, manifest.model_copy(update=changes))
    return Scanner(folder, settings=ScanSettings(explain=())).scan(EXAMPLES / "forged.mp4")


def test_a_likelihood_ratio_is_told_where_the_detector_has_one(tmp_path: Path) -> None:
    result = scan_with(tmp_path / "d", level="video", face_px=(1, 9999))
    assert result.result.verdict.likelihood is not None
    assert "    likelihood ratio " in summary(result.result)
    assert from_json(to_json(ScanDocument(SCHEMA_VERSION, (result.result,), ()))).results == (
        result.result,
    )


def test_a_face_unlike_the_calibration_data_is_warned_of(tmp_path: Path) -> None:
    result = scan_with(tmp_path / "d", level="video", face_px=(1000, 2000))
    assert result.result.verdict.likelihood is None
    assert "face 1 is poorer than what the detector was calibrated on" in result.result.warnings[0]
    assert "outside the calibration data: face size, px" in summary(result.result)


def test_a_video_is_told_that_its_likelihood_ratio_was_fitted_on_crops(tmp_path: Path) -> None:
    result = scan_with(tmp_path / "d", level="crop", face_px=(1, 2))
    assert result.result.verdict.likelihood is not None
    assert "; fitted on single crops" in summary(result.result)
    assert not any("calibrated on" in warning for warning in result.result.warnings)


def test_a_video_without_a_face_cannot_be_judged(scanner: Scanner, tmp_path: Path) -> None:
    result = scanner.scan(write_blank(tmp_path / "blank.mp4", 20)).result
    assert result.verdict.word == "cannot judge"
    assert result.verdict.reason == "no face was found in 20 sampled frames"
    assert not result.coverage.complete


def test_faces_that_are_judged_but_may_be_unseen_are_warned_of(
    scanner: Scanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.scanner.passes.MOST_REDUCTION", 100)
    blank = write_blank(tmp_path / "blank.mp4", 1)
    reduced = Scanner(settings=ScanSettings(detect_long_side_px=40, explain=()))
    (warning,) = [w for w in reduced.scan(blank).result.warnings if w.startswith("faces under")]
    assert warning.startswith("faces under 64 px may be unseen, and from 48 px")
    assert warning.endswith("--detect-long-side-px 54")
    assert not any(w.startswith("faces under") for w in scanner.scan(blank).result.warnings)


def still_film(path: Path, frames: int) -> Path:
    """Write a film that shows the first frame of an example all the time, one frame a second."""
    with av.open(str(EXAMPLES / "original.mp4")) as source, av.open(str(path), "w") as target:
        image = next(source.decode(video=0)).to_ndarray(format="rgb24")
        stream = target.add_stream("ffv1", rate=1)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode())
    return path


def test_a_film_of_one_frame_is_judged_as_a_picture_is(scanner: Scanner, tmp_path: Path) -> None:
    verdict = scanner.scan(still_film(tmp_path / "one.mkv", 1)).result.verdict
    assert verdict.word != "cannot judge"
    assert "one picture only" in verdict.reason


def test_a_still_picture_is_judged_with_a_caution(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    with av.open(str(EXAMPLES / "original.mp4")) as source:
        next(source.decode(video=0)).to_image().save(path)
    result = scanner.scan(path).result
    assert result.verdict.word != "cannot judge"
    assert "one picture only" in result.verdict.reason
    assert "95 % range not measured, 1 key frame)" in summary(result)
    assert [k.difference for track in result.tracks for k in track.key_frames] == [None]


def test_a_face_that_does_not_move_is_judged(scanner: Scanner, tmp_path: Path) -> None:
    result = scanner.scan(still_film(tmp_path / "still.mkv", 6)).result
    assert result.verdict.word != "cannot judge"
    assert [len(track.key_frames) for track in result.tracks] == [6]


def test_the_face_detector_is_loaded_once(
    scanner: Scanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("unmask.scanner.passes.create")
    result = scanner.scan(write_blank(tmp_path / "blank.mp4", 1)).result
    assert result.coverage.frames_sampled == 1


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
    limits = Limits(max_seconds=90)
    settings = ScanSettings(selector="local-maxima", explain=(), quick=False, limits=limits)
    words = repeat_command("a b.mp4", settings, None)
    options = "--selector local-maxima --no-explain --max-seconds 90 --no-quick"
    assert words == f"unmask scan {options} -- 'a b.mp4'"


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
    monkeypatch.setattr("unmask.scanner.batch._scan", dies_on_bad)
    outcomes = dict(scan_all(["bad", good], Job()))
    assert isinstance(outcomes[0], AnalysisCrashed)
    assert isinstance(outcomes[1], Scan)


def brief(track: TrackResult, number: int, start: float, end: float, word: str) -> TrackResult:
    verdict = cannot_judge("1 usable key frame of 1") if word == "cannot judge" else track.verdict
    return dataclasses.replace(
        track, id=number, start_seconds=start, end_seconds=end, verdict=verdict
    )


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1.0, 1.0)], [2]),  # seen once
        ([(1.0, 1.52)], [2]),  # seen twice, half a second apart
        ([(1.0, 1.75)], []),
        ([(1.0, 1.3), (2.0, 2.2)], [2, 3]),
        ([(1.0, 1.7), (2.0, 2.7)], []),  # together more than a tenth of the six seconds judged
    ],
)
def test_unjudged_faces_that_are_brief_and_few_only_pass_by(
    scan: Scan, spans: list[tuple[float, float]], expected: list[int]
) -> None:
    (track,) = scan.result.tracks
    others = [brief(track, n, *span, "cannot judge") for n, span in enumerate(spans, start=2)]
    assert [t.id for t in list_passing([track, *others], ScanSettings())] == expected


def test_a_brief_face_that_was_judged_is_a_face_like_others(scan: Scan) -> None:
    (track,) = scan.result.tracks
    other = brief(track, 2, 1.0, 1.3, "some evidence")
    assert list_passing([track, other], ScanSettings()) == ()


def test_without_a_judged_face_nobody_passes_by(scan: Scan) -> None:
    (track,) = scan.result.tracks
    alone = [brief(track, n, n, n, "cannot judge") for n in (1, 2)]
    assert list_passing(alone, ScanSettings()) == ()


def test_a_setting_of_zero_leaves_no_face_out(scan: Scan) -> None:
    (track,) = scan.result.tracks
    stray = brief(track, 2, 1.0, 1.0, "cannot judge")
    assert list_passing([track, stray], ScanSettings(passing_seconds=0)) == ()


@pytest.mark.parametrize("end", [1.0, 4.0])
def test_a_face_that_was_not_judged_is_listed_once(
    scanner: Scanner, scan: Scan, end: float
) -> None:
    (track,) = scan.result.tracks
    first = first_pass(EXAMPLES / "forged.mp4", scanner.settings)
    first = dataclasses.replace(first, tracks=first.tracks * 2)
    stray = brief(track, 2, 1.0, end, "cannot judge")
    got = coverage(first, (track, stray), scanner.settings)
    assert got.complete == (end == 1.0)
    assert len(got.passing) + len(got.not_analysed) == 1
    assert "face 2" in (*got.passing, *got.not_analysed)[0]
    assert (got.tracks_judged, got.tracks_found) == (1, 2)


@pytest.mark.parametrize("name", ["passing_seconds", "passing_share"])
def test_negative_limits_of_passing_faces_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and not negative, got -1"):
        ScanSettings(**{name: -1})
