"""Clips of a crop store under distortions, and their frames as samples of a check of maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="crop stores are Parquet files")
from typer.testing import CliRunner

from alone import in_one_process
from clip_bundles import FRAMES, write_clip_bundle
from toy_crops import write_toy_crops
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.cli.app import app
from unmask.cli.runs.check_samples import samples_in
from unmask.core.errors import InputError, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.layouts.folder import FOLDER
from unmask.datasets.layouts.layout import make_manifest
from unmask.evaluation.distorted_scores import StressSettings, score_distorted
from unmask.evaluation.inference import predict, source_at
from unmask.evaluation.sources import recut_views
from unmask.evaluation.stored_pictures import faces_at
from unmask.scanner.distortions import distort

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMITS = {"min_face_px": 10.0, "min_sharpness": 0.0, "min_key_frames": 3}


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_clip_bundle(tmp_path_factory.mktemp("detector") / "tiny", judgeable=LIMITS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut nine key frames of each example: two clips."""
    root = tmp_path_factory.mktemp("clip")
    for label, name in (("real", "original.mp4"), ("fake", "forged.mp4")):
        (root / label).mkdir()
        (root / label / name).symlink_to(EXAMPLES / name)
    manifest = make_manifest(FOLDER, root, FOLDER.index(root))
    settings = CropSettings(scan=ScanSettings(budget=9), image_format="png")
    crop_videos(manifest, root / "crops", settings)
    return root / "crops"


def test_clips_as_they_are_score_as_predict_scores_them(
    bundle: Bundle, store: Path, tmp_path: Path
) -> None:
    plain = predict(bundle, source_at(bundle, store), tmp_path / "p.parquet")
    scores = score_distorted(bundle, faces_at(bundle, store), StressSettings(only=("JPEG",)))
    assert len(plain) == 4
    np.testing.assert_allclose(scores.logits[0], plain.logit, rtol=1e-6)
    assert list(scores.predictions.video_id) == list(plain.video_id)
    assert scores.unreadable == 0


def test_all_frames_of_a_clip_go_through_the_same(bundle: Bundle, store: Path) -> None:
    settings = StressSettings(only=("crop shift",))
    faces = faces_at(bundle, store)
    scores = score_distorted(bundle, faces, settings)
    level = scores.conditions[1].level
    for number, face in enumerate(faces):
        shifted = [
            replace(c, pixels=distort(c.pixels, "crop shift", level, seed=(0, number)))
            for c in face.crops
        ]
        clip = np.stack([recut_views(crop, bundle.views)[0] for crop in shifted])
        expected = Network(bundle).run((clip[None],)).logits[0]
        assert np.isclose(scores.logits[1], expected, rtol=1e-5).any()


def test_a_limit_takes_whole_videos(bundle: Bundle, store: Path) -> None:
    assert len(faces_at(bundle, store)) == 4
    some = list(faces_at(bundle, store, limit=9))
    assert len(some) == 2
    assert {len(face.crops) for face in some} == {FRAMES}


def test_what_makes_no_clips_is_refused(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    table = write_toy_crops(tmp_path / "crops.parquet")
    with pytest.raises(InputError, match="does not say when in a video its crops were cut"):
        faces_at(bundle, table)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match=r"judges clips, and .* holds single pictures"):
        samples_in(tmp_path / "pictures", bundle, masks=False, limit=None)
    strict = write_clip_bundle(tmp_path / "strict", judgeable=LIMITS | {"min_face_px": 4000.0})
    with pytest.raises(ManifestError, match="has a clip that the detector can judge"):
        faces_at(strict, store)


def test_maps_are_checked_frame_by_frame(bundle: Bundle, store: Path) -> None:
    samples = samples_in(store, bundle, masks=False, limit=None)
    assert len(samples) == 4 * FRAMES
    for sample in samples:
        assert sample.clip is not None
        (place,) = sample.places
        np.testing.assert_array_equal(sample.clip[place], sample.pixels)
    assert len(samples_in(store, bundle, masks=False, limit=3)) == 3


def test_the_command_measures_maps_of_clips(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    words = ["explain-check", str(bundle.folder), str(store), "--limit", "4", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "4 crops of 2 videos" in done.output
    made = [*words[:2], "--synthetic", "2", "-o", str(tmp_path)]
    with pytest.raises(InputError, match="judges clips, and synthetic forgeries are single"):
        CliRunner().invoke(app, made, catch_exceptions=False)
