"""Take the weights out of a bundle's model.onnx, to go on training from them.

    python tools/bundle_weights.py src/unmask/detectors/default/model-wide.onnx \
        tf_efficientnet_lite2 crops.parquet wide.safetensors

The output fits `network.weights` of a recipe with the same backbone. The exporter folds batch norms
into the convolutions before them; here they get the statistics of real crops again, so that the
network computes what it did, in training too. The crops are those of a table, as the network is to
see them (`tools/made_forgeries.py` writes such tables); a few hundred do.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import torch
from onnx import numpy_helper
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from unmask.training.networks.network import FaceNetwork

_PREFIX = "network."
_HALF = ".parametrizations.weight.original"
_FOLDED = ".weight_bias"
STEPS, SCALE = ".steps", ".scale"
_CROPS = 256
"""Crops that statistics are measured on."""


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a model by the network's names, in float32."""
    stored = {
        entry.name.removeprefix(_PREFIX): numpy_helper.to_array(entry).astype(np.float32)
        for entry in onnx.load(str(path)).graph.initializer
        if entry.name.startswith(_PREFIX)
    }
    for name in [name for name in stored if name.endswith(STEPS)]:  # see tools/narrow_weights.py
        weight = name.removesuffix(STEPS)
        stored[weight] = stored.pop(name) * stored.pop(weight + SCALE)
    return {name.replace(_HALF, ".weight"): torch.from_numpy(v) for name, v in stored.items()}


def norm_after(convolution: str) -> str:
    """Return the name of the batch norm after a convolution of timm's EfficientNets."""
    block, _, name = convolution.rpartition(".")
    if block == "backbone":
        return f"backbone.{'bn1' if name == 'conv_stem' else 'bn2'}"
    separable = re.fullmatch(r"backbone\.blocks\.0\.\d+", block)  # no expansion before it
    order = ("conv_dw", "conv_pw") if separable else ("conv_pw", "conv_dw", "conv_pwl")
    return f"{block}.bn{order.index(name) + 1}"


@torch.inference_mode()
def unfolded(network: FaceNetwork, found: dict[str, torch.Tensor], pictures: torch.Tensor) -> None:
    """Load tensors, and give each folded batch norm the statistics of its input on pictures.

    Args:
        network: of the backbone that was exported.
        found: its tensors, see `tensors`.
        pictures: `(N, 3, S, S)` normalised.
    """
    folded = {name.removesuffix(_FOLDED) for name in found if name.endswith(_FOLDED)}
    own = {name: value for name, value in found.items() if name in network.state_dict()}
    missing = network.load_state_dict(own, strict=False).missing_keys
    norms = {norm_after(name): name for name in folded}
    rest = {name.rpartition(".")[0] for name in missing if not name.endswith("batches_tracked")}
    if rest != set(norms):
        raise SystemExit(f"the weights do not fit: {sorted(rest ^ set(norms))[:3]} ...")
    network.eval()
    for name, convolution in norms.items():
        norm = network.get_submodule(name)
        norm.running_var.fill_(1 - norm.eps)  # for now it adds the bias alone
        norm.bias.copy_(found[convolution + _FOLDED])

    def measure(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...]) -> None:
        seen = inputs[0].transpose(0, 1).flatten(1)
        mean, variance = seen.mean(1), seen.var(1, correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    hooks = [network.get_submodule(name).register_forward_pre_hook(measure) for name in norms]
    network(pictures)
    for hook in hooks:
        hook.remove()


def normalised(path: Path, size_px: int) -> torch.Tensor:
    """Return crops of a table, `(N, 3, S, S)`, in -1 to 1 as EfficientNet-Lite takes them."""
    encoded = pq.read_table(path, columns=["image"])["image"]
    chosen = np.linspace(0, len(encoded) - 1, min(_CROPS, len(encoded))).astype(int)
    crops = [
        Image.open(io.BytesIO(encoded[int(i)].as_py())).convert("RGB").resize((size_px, size_px))
        for i in chosen
    ]
    return (
        torch.from_numpy(np.stack([np.asarray(c) for c in crops])).permute(0, 3, 1, 2) / 127.5 - 1
    )


def main(source: Path, backbone: str, crops: Path, target: Path) -> None:
    """Write the weights."""
    network = FaceNetwork(backbone)
    unfolded(network, tensors(source), normalised(crops, 224))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, target)
    print(f"weights written to {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:]))
