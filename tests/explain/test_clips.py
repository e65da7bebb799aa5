"""Which frames of a clip mattered, and maps of one frame among others."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.explain.clips import FrameOfClip, frame_effects
from unmask.explain.differentiable import Evidence, Float
from unmask.explain.gradcam import gradcam
from unmask.explain.occlusion import occlusion

WEIGHTS = np.array([1.0, -2.0, 3.0], dtype=np.float32)


class _Weighted:
    """Logit: the sum of each frame's mean, times the frame's weight; features are the pixels."""

    def logits(self, images: Float) -> Float:
        return np.asarray(images.mean(axis=(2, 3, 4)) @ WEIGHTS, np.float32)

    def evidence(self, images: Float) -> Evidence:
        return Evidence(self.logits(images), images, self.input_gradients(images))

    def input_gradients(self, images: Float) -> Float:
        pixels = np.prod(images.shape[2:])
        of_pixel = np.asarray(WEIGHTS[:, None, None, None] / pixels, np.float32)
        return np.broadcast_to(of_pixel, images.shape).copy()


@pytest.fixture
def clip() -> Float:
    return np.random.default_rng(1).normal(0.5, 1, (3, 3, 8, 8)).astype(np.float32)


def test_covering_a_frame_takes_away_its_part(clip: Float) -> None:
    logit = float(_Weighted().logits(clip[None])[0])
    effects = frame_effects(_Weighted(), clip, np.arange(3), logit, gradients=True)
    parts = WEIGHTS * clip.mean(axis=(1, 2, 3))
    np.testing.assert_allclose([effects[n].logit_change for n in range(3)], parts, rtol=1e-4)
    norms = np.abs(WEIGHTS) / np.sqrt(3 * 8 * 8)
    np.testing.assert_allclose([effects[n].gradient_norm for n in range(3)], norms, rtol=1e-5)


def test_a_repeated_frame_is_covered_wherever_it_stands(clip: Float) -> None:
    frames = np.array([7, 9, 9])
    repeated = clip[[0, 1, 1]]
    logit = float(_Weighted().logits(repeated[None])[0])
    effects = frame_effects(_Weighted(), repeated, frames, logit, gradients=True)
    mean = clip[1].mean()
    assert effects.keys() == {7, 9}
    assert effects[9].logit_change == pytest.approx((WEIGHTS[1] + WEIGHTS[2]) * mean, rel=1e-4)
    assert effects[9].gradient_norm == pytest.approx(1.0 / np.sqrt(3 * 8 * 8), rel=1e-5)


def test_without_a_gradient_its_norm_is_not_measured(clip: Float) -> None:
    effects = frame_effects(_Weighted(), clip, np.arange(3), 0.0, gradients=False)
    assert {each.gradient_norm for each in effects.values()} == {None}


def test_a_frame_is_explained_as_a_picture_while_the_others_stay(clip: Float) -> None:
    frame = FrameOfClip(_Weighted(), clip, np.array([2]))
    logit = _Weighted().logits(clip[None])
    np.testing.assert_allclose(frame.logits(clip[2:]), logit, rtol=1e-6)
    np.testing.assert_allclose(frame.input_gradients(clip[2:]), 3 / 192, rtol=1e-6)
    falls = occlusion(frame, clip[2:], logit)
    patch = clip[2, :, :2, :2].sum() * WEIGHTS[2] / 192
    assert falls[0, 0, 0] == pytest.approx(patch, rel=1e-3)


def test_maps_of_a_repeated_frame_are_the_sum_over_its_places(clip: Float) -> None:
    repeated = clip[[0, 1, 1]]
    both = FrameOfClip(_Weighted(), repeated, np.array([1, 2])).evidence(repeated[1:2])
    apart = [
        FrameOfClip(_Weighted(), repeated, np.array([place])).evidence(repeated[1:2])
        for place in (1, 2)
    ]
    features = [each.features * each.gradients.mean(axis=(2, 3), keepdims=True) for each in apart]
    expected = sum(each.sum(axis=1) for each in features)
    np.testing.assert_allclose(gradcam(both), expected, atol=1e-6)
