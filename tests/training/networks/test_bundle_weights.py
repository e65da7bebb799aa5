"""Weights taken out of a bundle's model: they compute what the exported network does, and train."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

for package in ("torch", "timm", "onnx", "onnxscript"):
    pytest.importorskip(package, reason=f"export needs {package} (extra `train`)")

import torch
from torch import Tensor, nn

from unmask.training.networks.float16 import round_weights, store_as_float16
from unmask.training.networks.network import FaceNetwork
from unmask.training.networks.onnx_export import export_scoring

# torch's exporter uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOOL = Path(__file__).parents[3] / "tools" / "bundle_weights.py"
NETWORK = "tf_efficientnet_lite0"
SIDE = 32


def worn(network: FaceNetwork) -> FaceNetwork:
    """Give batch norms statistics and factors as training leaves them, none of them trivial."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.3, 0.3)
    return network.eval()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(64, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_weights_from_a_model_compute_what_it_computes(
    half: bool, pictures: Tensor, tmp_path: Path
) -> None:
    tool: dict[str, Any] = runpy.run_path(str(TOOL))
    torch.manual_seed(0)
    network = worn(FaceNetwork(NETWORK))
    path = tmp_path / "model.onnx"
    export_scoring(store_as_float16(network) if half else network, path, size_px=SIDE)
    restored = FaceNetwork(NETWORK).eval()
    tool["unfolded"](restored, tool["tensors"](path), pictures)
    expected = round_weights(network) if half else network
    with torch.inference_mode():
        torch.testing.assert_close(restored(pictures), expected(pictures), rtol=1e-4, atol=1e-5)
        # statistics are those of the pictures: a step of training sees the same network
        trained = restored.backbone.bn1.train()
        seen = restored.backbone.conv_stem(pictures)
        torch.testing.assert_close(trained(seen), trained.eval()(seen), rtol=0.05, atol=0.05)
