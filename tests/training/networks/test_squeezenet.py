"""SqueezeNet under timm's name: torchvision's features, their weights, and Keras' weights."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

import timm
from safetensors.torch import load_file, save_file
from torchvision.models import squeezenet1_1

from unmask.core.errors import InputError
from unmask.training.networks.network import FaceNetwork

TOOLS = Path(__file__).parents[3] / "tools"
PLACES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}


def write_keras_weights(path: Path) -> Path:
    """Write random weights of torchvision's shapes as Keras lays them out."""
    rng = np.random.default_rng(0)
    shapes = {name: tuple(t.shape) for name, t in squeezenet1_1().features.state_dict().items()}
    layers = {"conv1": "0"}
    for fire, place in PLACES.items():
        layers[f"fire{fire}/squeeze1x1"] = f"{place}.squeeze"
        layers[f"fire{fire}/expand1x1"] = f"{place}.expand1x1"
        layers[f"fire{fire}/expand3x3"] = f"{place}.expand3x3"
    with h5py.File(path, "w") as file:
        for keras, ours in layers.items():
            out, inputs, height, width = shapes[f"{ours}.weight"]
            group = file.create_group(f"{keras}/{keras}")
            kernel = rng.normal(0, 0.1, (height, width, inputs, out))
            group["kernel:0"] = kernel.astype(np.float32)
            group["bias:0"] = rng.normal(0, 0.1, out).astype(np.float32)
    return path


@pytest.fixture(scope="module")
def convert() -> Any:
    return runpy.run_path(str(TOOLS / "keras_squeezenet.py"))["main"]


def test_its_map_is_that_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = squeezenet1_1().eval()
    save_file(reference.state_dict(), tmp_path / "whole.safetensors")
    network = FaceNetwork("squeezenet1_1", weights=tmp_path / "whole.safetensors").eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network.features(images), reference.features(images))


def test_torchvisions_file_of_weights_starts_it(tmp_path: Path) -> None:
    reference = squeezenet1_1()
    torch.save(reference.state_dict(), tmp_path / "squeezenet1_1.pth")
    result = timm.create_model(
        "squeezenet1_1",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "squeezenet1_1.pth")},
        num_classes=0,
        global_pool="",
    )
    for name, tensor in result.state_dict().items():
        torch.testing.assert_close(tensor, reference.state_dict()[name])


def test_a_classifier_is_refused() -> None:
    with pytest.raises(RuntimeError, match="ends in its feature map"):
        timm.create_model("squeezenet1_1", num_classes=2, global_pool="")


def test_keras_weights_see_what_keras_shows_them(tmp_path: Path, convert: Any) -> None:
    """Keras gives BGR in 0..255 less Caffe's means; here it is RGB, normalised for ImageNet."""
    source, target = write_keras_weights(tmp_path / "keras.h5"), tmp_path / "ours.safetensors"
    convert(source, target)
    network = FaceNetwork("squeezenet1_1", weights=target).eval()
    picture = np.random.default_rng(1).integers(0, 256, (31, 31, 3))
    shown = picture[:, :, ::-1] - np.array((103.939, 116.779, 123.68))
    windows = np.lib.stride_tricks.sliding_window_view(shown, (3, 3), axis=(0, 1))[::2, ::2]
    with h5py.File(source) as file:
        kernel, bias = (file[f"conv1/conv1/{name}:0"][()] for name in ("kernel", "bias"))
    expected = np.einsum("yxcij,ijco->oyx", windows, kernel) + bias[:, None, None]
    config = network.backbone.pretrained_cfg
    value = (picture / 255 - np.array(config["mean"])) / np.array(config["std"])
    with torch.inference_mode():
        stem = network.backbone.features[0]
        got = stem(torch.tensor(value.transpose(2, 0, 1)[None], dtype=torch.float32))[0].numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)


def test_keras_weights_keep_every_layer(tmp_path: Path, convert: Any) -> None:
    source, target = write_keras_weights(tmp_path / "keras.h5"), tmp_path / "ours.safetensors"
    convert(source, target)
    state = load_file(target)
    assert state.keys() == {f"features.{n}" for n in squeezenet1_1().features.state_dict()}
    with h5py.File(source) as file:
        kernel = file["fire7/expand3x3/fire7/expand3x3/kernel:0"][()]
    np.testing.assert_array_equal(
        state["features.10.expand3x3.weight"].numpy(), kernel.transpose(3, 2, 0, 1)
    )


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path, convert: Any) -> None:
    source = write_keras_weights(tmp_path / "keras.h5")
    with h5py.File(source, "a") as file:
        del file["fire7/expand3x3"]
    with pytest.raises(KeyError, match="expand3x3"):
        convert(source, tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()


def test_weights_of_another_network_do_not_fit(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "some.safetensors")
    with pytest.raises(InputError, match="tensors are missing"):
        FaceNetwork("squeezenet1_1", weights=tmp_path / "some.safetensors")
