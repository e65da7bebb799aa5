"""Take the weights out of a bundle's model.onnx, to go on training from them.

    python tools/bundle_weights.py src/unmask/detectors/default/model-tight.onnx lite2.safetensors

The tensors of `model.onnx` bear the names of the network that was exported, so they fit
`network.weights` of a recipe with the same backbone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

_PREFIX = "network."


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the network's tensors by name, in float32.

    Args:
        path: a `model.onnx` that `unmask export` wrote, or a view of a bundle.
    """
    tensors = {
        entry.name.removeprefix(_PREFIX): torch.from_numpy(numpy_helper.to_array(entry).copy())
        for entry in onnx.load(str(path)).graph.initializer
        if entry.name.startswith(_PREFIX)
    }
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def main(source: Path, target: Path) -> None:
    """Write the weights."""
    save_file(weights(source), target)
    print(f"weights written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
