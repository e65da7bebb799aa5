"""Which crops of a track make a clip, and that a network gets whole clips or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import bundles
from clip_bundles import FRAME_WEIGHTS, FRAMES, write_clip_bundle
from unmask.bundle.clips import clip_positions
from unmask.bundle.detector import Detector, check_works
from unmask.bundle.manifest import Clip
from unmask.core.errors import BundleError


@given(st.integers(1, 64), st.integers(2, 12), st.integers(1, 12))
def test_clips_are_whole_in_order_and_share_no_crop_where_there_are_enough(
    count: int, frames: int, least: int
) -> None:
    clip = Clip(frames=frames, min_frames=min(least, frames))
    positions = clip_positions(count, clip)
    assert positions.shape[1] == frames
    assert len(positions) == (0 if count < clip.min_frames else max(1, count // frames))
    assert (np.diff(positions, axis=1) >= 0).all()
    if count >= frames:
        assert len(np.unique(positions)) == positions.size
        assert positions.max() < count
    elif len(positions):
        assert positions[0].tolist() == [*range(count), *[count - 1] * (frames - count)]


def test_each_of_three_clips_spans_the_track() -> None:
    positions = clip_positions(12, Clip(frames=4, min_frames=4))
    assert positions.tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_a_clip_needs_no_more_frames_than_it_has() -> None:
    with pytest.raises(ValidationError, match="min_frames must be at most frames"):
        Clip(frames=2, min_frames=3)


def test_a_bundle_without_clips_is_one_of_single_crops(tmp_path: Path) -> None:
    assert bundles.write_bundle(tmp_path / "old").manifest.clip is None


def test_logits_are_those_of_the_closed_form(tmp_path: Path) -> None:
    detector = Detector(write_clip_bundle(tmp_path / "clips"))
    check_works(detector)
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (2, FRAMES, bundles.SIZE, bundles.SIZE, 3), dtype=np.uint8)
    normalised = (clips / 255 - bundles.MEAN) / bundles.STD
    expected = normalised.mean(axis=(2, 3, 4)) @ np.array(FRAME_WEIGHTS)
    np.testing.assert_allclose(detector.scores(clips).logits, expected, rtol=1e-5)


def test_single_crops_are_refused(tmp_path: Path) -> None:
    detector = Detector(write_clip_bundle(tmp_path / "clips"))
    crops = np.zeros((2, bundles.SIZE, bundles.SIZE, 3), dtype=np.uint8)
    with pytest.raises(BundleError, match="judges clips of 4 crops of one face"):
        detector.scores(crops)


def test_a_detector_of_single_crops_refuses_clips(tmp_path: Path) -> None:
    detector = Detector(bundles.write_bundle(tmp_path / "crops"))
    clips = np.zeros((1, FRAMES, bundles.SIZE, bundles.SIZE, 3), dtype=np.uint8)
    with pytest.raises(BundleError, match="judges single crops"):
        detector.scores(clips)
