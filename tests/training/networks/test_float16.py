"""Weights in float16: smaller files that say what the rounded network says, computed in float32."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "timm", "onnx", "onnxscript"):
    pytest.importorskip(package, reason=f"export needs {package} (extra `train`)")

import onnx
import torch

from tiny_networks import RESNET
from unmask.explain.onnx_weights import content_key, read_weights, shuffle_by_key
from unmask.system.telemetry import onnxruntime
from unmask.training.networks.ensemble import JoinedNetwork
from unmask.training.networks.float16 import SMALL, round_weights, store_as_float16
from unmask.training.networks.head import HeadedNetwork
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.onnx_export import export_gradient, export_scoring
from unmask.training.networks.parity import measure_parity, require_parity

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 32


def made(kind: str) -> HeadedNetwork:
    """Return a network that was not trained; most of its weights stand in large tensors."""
    torch.manual_seed(0)
    one = FaceNetwork(RESNET, head_width=1024, mirrored=kind == "joined").eval()
    return one if kind != "joined" else JoinedNetwork([one, FaceNetwork(RESNET)], [2, 1])


@pytest.fixture(scope="module", params=["single", "joined"])
def network(request: pytest.FixtureRequest) -> HeadedNetwork:
    return made(request.param)


@pytest.fixture(scope="module")
def files(network: HeadedNetwork, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return `model.onnx` and `gradient.onnx` with weights in float16."""
    folder = tmp_path_factory.mktemp("half")
    paths = folder / "model.onnx", folder / "gradient.onnx"
    export_scoring(store_as_float16(network), paths[0], size_px=SIDE)
    export_gradient(store_as_float16(network), paths[1], size_px=SIDE)
    return paths


def test_the_files_are_little_more_than_half_as_large(
    network: HeadedNetwork, files: tuple[Path, Path], tmp_path: Path
) -> None:
    export_scoring(network, tmp_path / "model.onnx", size_px=SIDE)
    whole = (tmp_path / "model.onnx").stat().st_size
    assert all(path.stat().st_size < 0.65 * whole for path in files)


def test_they_say_what_the_rounded_network_says(
    network: HeadedNetwork, files: tuple[Path, Path]
) -> None:
    images = np.random.default_rng(0).normal(size=(4, 3, SIDE, SIDE)).astype(np.float32)
    require_parity(measure_parity(round_weights(network), *files, images, crops="noise"))
    assert measure_parity(network, *files, images, crops="noise").logit > 1e-6


def test_onnx_runtime_carries_out_the_casts_when_it_loads_a_file(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    for path in files:
        assert onnx.TensorProto.FLOAT16 in types(path)
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / path.name)
        options.log_severity_level = 3
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        assert onnx.TensorProto.FLOAT16 not in types(tmp_path / path.name)


def types(path: Path) -> set[int]:
    """Return the data types of the weights in a file."""
    return {each.data_type for each in onnx.load(str(path)).graph.initializer}


def test_weights_in_float16_are_shuffled_alike_in_both_files(files: tuple[Path, Path]) -> None:
    scoring, gradient = (path.read_bytes() for path in files)
    keys = {content_key(w.values(scoring)) for w in read_weights(scoring) if w.dtype == "<f2"}
    assert keys == {
        content_key(w.values(gradient)) for w in read_weights(gradient) if w.dtype == "<f2"
    }
    for data in (scoring, gradient):
        changed = shuffle_by_key(data, keys, seed=1)
        for weight in read_weights(data):
            if weight.dtype == "<f2":
                before, after = weight.values(data), weight.values(changed)
                np.testing.assert_array_equal(np.unique(before), np.unique(after))
                assert (before != after).mean() > 0.9


def test_only_large_weights_within_the_range_of_float16_are_rounded() -> None:
    network = made("single")
    network.head.hidden.weight.data[0, 0] = 1e6
    before = {name: each.clone() for name, each in network.state_dict().items()}
    for name, weight in round_weights(network).state_dict().items():
        large = weight.ndim >= 2 and weight.numel() > SMALL and name != "head.hidden.weight"
        assert torch.equal(weight, before[name].half().float() if large else before[name])
        assert torch.equal(network.state_dict()[name], before[name])
