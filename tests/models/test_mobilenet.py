"""MobileNetV2: its form, its padding, and that its quantised start still knows ImageNet."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toy_material import drawn_face

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.models.imagenet import normalise
from unmask.models.mobilenet import ConvolutionNorm, MobileNet, load_imagenet, measure_norms

DATA = os.environ.get("UNMASK_TEST_DATA")
CATS = range(281, 287)
"""ImageNet's classes of domestic cats, tabby to Egyptian, less the lynx-like that follow."""


@pytest.fixture(scope="module")
def model() -> MobileNet:
    torch.manual_seed(0)
    return MobileNet().eval()


@pytest.fixture(scope="module")
def weights() -> Path:
    pytest.importorskip("tflite", reason="weights are read with `tflite` (extra `train`)")
    if DATA is None:
        pytest.skip("UNMASK_TEST_DATA is not set: no ImageNet weights here")
    return Path(DATA) / "backbones" / "mobilenet_v2_1.0_224_quant.tflite"


def pictures(count: int = 3, side: int = 96) -> torch.Tensor:
    return torch.from_numpy(normalise([drawn_face(n, (side, side)) for n in range(count)]))


@pytest.mark.parametrize(("side", "cells"), [(128, 4), (96, 3), (100, 4)])
def test_a_map_of_a_thirtysecond(model: MobileNet, side: int, cells: int) -> None:
    with torch.no_grad():
        assert model.features(pictures(2, side)).shape == (2, 1280, cells, cells)
        assert model(pictures(2, side)).shape == (2,)


def test_it_has_as_many_weights_as_the_paper_says(model: MobileNet) -> None:
    """2,223,872 without the classifier, as counted by torchvision and timm."""
    head = sum(p.numel() for p in model.head.parameters())
    assert sum(p.numel() for p in model.parameters()) - head == 2_223_872


def test_the_written_out_gradient_is_autograds(model: MobileNet) -> None:
    kept = []
    handle = model.last.register_forward_hook(lambda _, __, out: kept.append(out))
    expected_logit = model(pictures())
    handle.remove()
    (expected,) = torch.autograd.grad(expected_logit.sum(), kept)
    logit, features, gradient = model.forward_with_gradient(pictures())
    torch.testing.assert_close(logit, expected_logit)
    torch.testing.assert_close(features, kept[0])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("length", "first"), [(8, 0), (9, -1)])
def test_strides_pad_as_tensorflow_does(length: int, first: int) -> None:
    """An even length is padded at its end alone, an odd one on both sides."""
    layer = ConvolutionNorm(1, 1, side=3, stride=2, active=False).eval()
    picture = torch.arange(1.0, 1 + length).expand(1, 1, length, length)
    with torch.no_grad():
        layer.convolution.weight.zero_()
        layer.convolution.weight[0, 0, 1, 0] = 1.0  # the left neighbour
        got = layer(picture)[0, 0, 1] * (1 + layer.norm.eps) ** 0.5
    starts = first + 2 * np.arange(-(-length // 2))
    np.testing.assert_allclose(got, np.where(starts < 0, 0, starts + 1), rtol=1e-6)


def test_the_quantised_weights_still_know_imagenet(weights: Path) -> None:
    """The file's own classifier, on top of our features, names a cat and a cup of espresso."""
    data = pytest.importorskip("skimage.data", reason="its pictures are the test")
    from unmask.models.tflite import read_convolutions

    model = MobileNet().eval()
    load_imagenet(model, weights)
    top = read_convolutions(weights)[-1]
    shown = [
        Image.fromarray(a[:, (a.shape[1] - a.shape[0]) // 2 :][:, : a.shape[0]]).resize((224, 224))
        for a in (data.chelsea(), data.coffee())
    ]
    with torch.no_grad():
        pooled = model.features(torch.from_numpy(normalise(shown))).mean(dim=(2, 3)).numpy()
    classes = np.argsort(-(pooled @ top.kernel[:, :, 0, 0].T + top.bias), axis=1) - 1
    assert set(classes[0, :3].tolist()) <= set(CATS)
    assert classes[1, 0] == 967  # espresso


def test_measured_norms_change_nothing_that_comes_out(weights: Path) -> None:
    model = MobileNet().eval()
    load_imagenet(model, weights)
    images = pictures(8, 128)
    with torch.no_grad():
        before = model.features(images)
        measure_norms(model, images)
        torch.testing.assert_close(model.features(images), before, rtol=1e-3, atol=2e-3)
    lengths = model.blocks[3].layers[0].convolution.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_training_starts_where_scoring_stands(weights: Path) -> None:
    """With the statistics of a batch in the norms, training sees that batch as scoring does."""
    model = MobileNet()
    load_imagenet(model, weights)
    images = pictures(8, 128)
    measure_norms(model, images)
    with torch.no_grad():
        scoring, training = model.eval().features(images), model.train().features(images)
    assert float((scoring - training).abs().mean() / scoring.abs().mean()) < 0.05


def test_weights_of_another_network_are_refused(weights: Path) -> None:
    model = MobileNet()
    model.last = ConvolutionNorm(320, 640, side=1)
    with pytest.raises(ValueError, match=r"is no MobileNetV2 1\.0: its 52 first convolutions"):
        load_imagenet(model, weights)
