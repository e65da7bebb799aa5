"""The network: shapes, its hand-written gradient, and the meaning of the loaded weights."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toy_material import drawn_face, write_imagenet_weights

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

from unmask.models.imagenet import normalise
from unmask.models.squeezenet import SqueezeNet, load_imagenet


@pytest.fixture(scope="module")
def model() -> SqueezeNet:
    torch.manual_seed(0)
    return SqueezeNet().eval()


def pictures(count: int = 3, side: int = 96) -> torch.Tensor:
    return torch.from_numpy(normalise([drawn_face(n, (side, side)) for n in range(count)]))


def test_one_logit_per_picture(model: SqueezeNet) -> None:
    assert model(pictures()).shape == (3,)
    assert model.features(pictures()).shape == (3, 512, 5, 5)


def test_pictures_of_a_batch_do_not_mix(model: SqueezeNet) -> None:
    batch = pictures()
    alone = torch.cat([model(batch[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(model(batch), alone, rtol=1e-4, atol=1e-5)


def test_the_written_out_gradient_is_autograds(model: SqueezeNet) -> None:
    kept = []
    handle = model.fires[-1].register_forward_hook(lambda _, __, out: kept.append(out))
    expected_logit = model(pictures())
    handle.remove()
    (expected,) = torch.autograd.grad(expected_logit.sum(), kept)
    logit, features, gradient = model.forward_with_gradient(pictures())
    torch.testing.assert_close(logit, expected_logit)
    torch.testing.assert_close(features, kept[0])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-8)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    model, batch = SqueezeNet(), pictures()
    with torch.no_grad():
        assert not torch.equal(model.train()(batch), model(batch))
        assert torch.equal(model.eval()(batch), model(batch))


def test_imagenet_weights_see_what_keras_shows_them(tmp_path: Path) -> None:
    """Keras gives BGR in 0..255 less the Caffe means; here it is normalised RGB."""
    h5py = pytest.importorskip("h5py", reason="Keras weights are HDF5 (extra `train`)")
    weights = write_imagenet_weights(tmp_path / "weights.h5")
    model = SqueezeNet()
    load_imagenet(model, weights)
    with h5py.File(weights) as file:
        kernel, bias = (file[f"conv1/conv1/{name}:0"][()] for name in ("kernel", "bias"))
    face = drawn_face(0, (31, 31))
    shown = np.asarray(face, dtype=np.float64)[:, :, ::-1] - (103.939, 116.779, 123.68)
    windows = np.lib.stride_tricks.sliding_window_view(shown, (3, 3), axis=(0, 1))[::2, ::2]
    expected = np.einsum("yxcij,ijco->oyx", windows, kernel) + bias[:, None, None]
    with torch.no_grad():
        got = model.stem(torch.from_numpy(normalise([face])))[0].numpy()
    assert np.abs(expected).max() > 2
    np.testing.assert_allclose(got, expected, atol=0.05)  # the two means differ by 0.5 of 255


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="Keras weights are HDF5 (extra `train`)")
    weights = write_imagenet_weights(tmp_path / "weights.h5")
    with h5py.File(weights, "a") as file:
        del file["fire7/expand3x3"]
    with pytest.raises(KeyError, match="expand3x3"):
        load_imagenet(SqueezeNet(), weights)
