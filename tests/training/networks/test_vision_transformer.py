"""Exported vision transformers, under timm's names."""

# ruff: noqa: E402 - imports wait for the check that torch is there

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch", reason="networks need torch (extra `train`)")

import timm
from torch import Tensor, nn

TOOL = Path(__file__).parents[3] / "tools" / "vision_transformer.py"
NETWORK = "test_vit"
"""A tiny network of timm, with the layers of CLIP's tower but for the norm before its blocks."""
OUTSIDE = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding.weight",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
    "norm.weight": "post_layernorm.weight",
    "norm.bias": "post_layernorm.bias",
}
IN_BLOCK = {"norm1": "layer_norm1", "norm2": "layer_norm2", "attn.proj": "self_attn.out_proj"}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model(NETWORK, num_classes=0).eval()
    with torch.no_grad():  # biases and norms start alike in every layer
        for value in model.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return model


def their_tensors(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Return weights as Hugging Face's CLIP names them, a linear layer's as `(out, in)`."""
    named = {}
    for name, value in state.items():
        if not name.startswith("blocks."):
            named[OUTSIDE[name]] = value
            continue
        _, number, rest = name.split(".", 2)
        layer, _, kind = rest.rpartition(".")
        block = f"encoder.layers.{number}"
        if layer == "attn.qkv":
            for part, third in zip("qkv", value.chunk(3), strict=True):
                named[f"{block}.self_attn.{part}_proj.{kind}"] = third
        else:
            named[f"{block}.{IN_BLOCK.get(layer, layer)}.{kind}"] = value
    return {f"vision_model.{name}": value.numpy() for name, value in named.items()}


def exported(state: dict[str, Tensor], path: Path, *, eight_bit: bool) -> None:
    """Write parameters as exporters do: linear layers turned, and known by their nodes alone."""
    nodes: list[onnx.NodeProto] = []
    stored: dict[str, Any] = {}
    for name, value in their_tensors(state).items():
        if not (name.endswith("proj.weight") or (".fc" in name and name.endswith("weight"))):
            stored[name] = value
            continue
        layer = "/" + name.removesuffix(".weight").replace(".", "/").replace("/layers/", "/layers.")
        weight = f"onnx::MatMul_{len(nodes)}"
        if eight_bit:
            scale = np.abs(value.T).max(0) / 127
            stored[f"{weight}_quantized"] = np.round(value.T / scale).astype(np.int8)
            stored[f"{weight}_scale"] = scale.astype(np.float32)
            stored[f"{weight}_zero_point"] = np.zeros(len(scale), np.int8)
            inputs = ["x", f"{weight}_quantized", "x_zero", f"{weight}_zero_point"]
            kind = "MatMulInteger"
        else:
            stored[weight], inputs, kind = np.ascontiguousarray(value.T), ["x", weight], "MatMul"
        nodes.append(helper.make_node(kind, inputs, [f"y{len(nodes)}"], name=f"{layer}/{kind}"))
    tensors = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "tower", [], [], tensors)), str(path))


@pytest.fixture
def tool() -> dict[str, Any]:
    loaded = runpy.run_path(str(TOOL))
    tower = loaded["TOWERS"]["clip"]
    loaded["tower"] = dataclasses.replace(tower, network=NETWORK)
    return loaded


@pytest.mark.parametrize(("eight_bit", "tolerance"), [(False, 1e-5), (True, 0.1)])
def test_it_computes_what_the_exported_network_did(
    tool: dict[str, Any], network: nn.Module, tmp_path: Path, eight_bit: bool, tolerance: float
) -> None:
    path = tmp_path / "tower.onnx"
    exported(network.state_dict(), path, eight_bit=eight_bit)
    weights = tool["convert"](tool["read_tensors"](onnx.load(str(path))), tool["tower"])
    again = timm.create_model(NETWORK, num_classes=0).eval()
    again.load_state_dict(weights)
    picture = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(again(picture), network(picture), atol=tolerance, rtol=0)


def test_another_network_is_refused(tool: dict[str, Any], network: nn.Module) -> None:
    named = {name: torch.from_numpy(v) for name, v in their_tensors(network.state_dict()).items()}
    del named["vision_model.encoder.layers.2.mlp.fc1.weight"]
    with pytest.raises(ValueError, match=r"test_vit has blocks\.2\.mlp\.fc1\.weight"):
        tool["convert"](named, tool["tower"])


def test_another_file_is_refused(tool: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(b"other")
    with pytest.raises(SystemExit, match="has SHA-256 d9298a10"):
        tool["main"]("clip", path, tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()
