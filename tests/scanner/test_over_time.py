"""A detector over time: a scan, `predict` on videos and on a crop store make and judge one clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="predictions are Parquet files")
import pyarrow.parquet as pq

from alone import in_one_process
from clip_bundles import FRAMES, write_clip_bundle
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.scan import Scan
from unmask.core.scan_record import SCHEMA_VERSION, ScanDocument
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.layouts.folder import FOLDER
from unmask.datasets.layouts.layout import make_manifest
from unmask.datasets.manifest import Manifest, write_manifest
from unmask.evaluation.inference import predict, source_at
from unmask.report.document import from_json, to_json
from unmask.scanner.scanner import Scanner
from unmask.scanner.survival import stress_verdict
from unmask.scanner.verdict import interval

EXAMPLES = Path(__file__).parents[2] / "examples"
EIGHT = ScanSettings(budget=9, explain=("occlusion",))
LIMITS = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 3}
LARGEST_DIFFERENCE = 0.02
"""Of a store's logit and a scan's."""


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_clip_bundle(tmp_path_factory.mktemp("detector") / "tiny", judgeable=LIMITS)


@pytest.fixture(scope="module")
def scan(bundle: Bundle) -> Scan:
    return Scanner(bundle.folder, settings=EIGHT).scan(EXAMPLES / "forged.mp4")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("clip")
    (root / "fake").mkdir()
    (root / "fake" / "forged.mp4").symlink_to(EXAMPLES / "forged.mp4")
    return make_manifest(FOLDER, root, FOLDER.index(root))


def clip_logits(scan: Scan) -> list[float]:
    keys = scan.result.tracks[0].key_frames
    return list({key.clip: key.logit for key in keys if key.clip is not None}.values())


def test_nine_key_frames_are_two_clips_of_four_that_span_the_face(scan: Scan) -> None:
    keys = scan.result.tracks[0].key_frames
    assert [key.clip for key in keys] == [1, 2, 1, 2, None, 1, 2, 1, 2]
    assert len(clip_logits(scan)) == 2
    assert keys[4].logit is None
    assert keys[4].unusable is None


def test_a_clip_is_scored_as_its_crops_in_order_of_time(bundle: Bundle, scan: Scan) -> None:
    crops = [picture.crop for picture in scan.pictures]
    clips = np.stack([[crops[n] for n in clip] for clip in ([0, 2, 5, 7], [1, 3, 6, 8])])
    expected = Network(bundle).run((clips,)).logits
    np.testing.assert_allclose(clip_logits(scan), expected, rtol=1e-6)


def test_the_verdict_is_the_mean_of_clips_and_counts_each_once(bundle: Bundle, scan: Scan) -> None:
    verdict = scan.result.tracks[0].verdict
    assert verdict.logit == pytest.approx(np.mean(clip_logits(scan)))
    assert verdict.frames_used == 8
    low, high = interval(np.array(clip_logits(scan)), bundle.manifest) or (0.0, 0.0)
    assert verdict.interval is not None
    assert verdict.interval == pytest.approx([1 / (1 + np.exp(-end)) for end in (low, high)])


def test_each_frame_says_what_it_does_to_its_clip(scan: Scan) -> None:
    keys = scan.result.tracks[0].key_frames
    for number in (1, 2):
        of_clip = [key for key in keys if key.clip == number]
        # the tiny network adds up its frames: all covered, nothing is left
        assert sum(key.logit_change or 0.0 for key in of_clip) == pytest.approx(
            of_clip[0].logit, rel=1e-4
        )
        assert {key.gradient_norm for key in of_clip} == {None}
    maps = {picture.frame_index: picture.maps for picture in scan.pictures}
    assert all(bool(maps[key.frame_index]) == (key.clip is not None) for key in keys)


def test_the_json_keeps_clips(scan: Scan) -> None:
    (read,) = from_json(to_json(ScanDocument(SCHEMA_VERSION, (scan.result,), ()))).results
    assert read.tracks[0].key_frames == scan.result.tracks[0].key_frames


def test_predict_scores_videos_exactly_as_a_scan_does(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, scan: Scan
) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    predict(
        bundle, source_at(bundle, tmp_path / "m.parquet", settings=EIGHT), tmp_path / "p.parquet"
    )
    table = pq.read_table(tmp_path / "p.parquet")
    assert table["logit"].to_pylist() == pytest.approx(clip_logits(scan), rel=1e-6)
    keys = scan.result.tracks[0].key_frames
    assert table["frame_index"].to_pylist() == [keys[0].frame_index, keys[1].frame_index]


def test_predict_scores_a_crop_store_as_a_scan_does(
    tmp_path: Path, bundle: Bundle, manifest: Manifest, scan: Scan
) -> None:
    crop_videos(manifest, tmp_path / "crops", CropSettings(scan=EIGHT))
    predict(bundle, source_at(bundle, tmp_path / "crops"), tmp_path / "p.parquet")
    logits = pq.read_table(tmp_path / "p.parquet")["logit"].to_pylist()
    assert logits == pytest.approx(clip_logits(scan), abs=LARGEST_DIFFERENCE)


def test_too_few_crops_of_a_store_are_a_failure_with_its_reason(
    tmp_path: Path, bundle: Bundle, manifest: Manifest
) -> None:
    crop_videos(manifest, tmp_path / "crops", CropSettings(scan=replace(EIGHT, budget=2)))
    predict(bundle, source_at(bundle, tmp_path / "crops"), tmp_path / "p.parquet")
    (row,) = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert (row["status"], row["logit"]) == ("failed", None)
    assert "2 usable key frames of 2, at least 3 needed" in row["reason"]


def test_a_short_clip_is_filled_up_and_says_so(bundle: Bundle) -> None:
    three = Scanner(bundle.folder, settings=ScanSettings(budget=3, explain=()))
    (track,) = three.scan(EXAMPLES / "forged.mp4").result.tracks
    assert [key.clip for key in track.key_frames] == [1, 1, 1]
    assert track.verdict.interval is None
    assert "3 usable key frames for a clip of 4: the last was repeated" in str(track.verdict.reason)
    assert {key.logit_change for key in track.key_frames} == {None}


def test_a_picture_is_no_clip(bundle: Bundle, tmp_path: Path) -> None:
    crop = Scanner(settings=ScanSettings(budget=1, explain=())).scan(EXAMPLES / "forged.mp4")
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(crop.stills[0].jpeg)
    verdict = Scanner(bundle.folder, settings=EIGHT).scan(frame).result.verdict
    assert verdict.word == "cannot judge"
    assert "1 usable key frame of 1, at least 2 needed" in str(verdict.reason)


def test_clips_are_judged_again_under_distortions(bundle: Bundle, scan: Scan) -> None:
    stressed = stress_verdict(scan, bundle, Network(bundle), still=False, only=("JPEG",))
    assert stressed.result.stress
    for each in stressed.result.stress:
        assert each.verdict.frames_used == 2 * FRAMES
        assert each.verdict.logit == pytest.approx(scan.result.verdict.logit, abs=0.2)
