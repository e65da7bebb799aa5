"""Take the weights of the first detector, `unmask-first`, out of its ONNX file, for fine-tuning.

    git show 1c12f0b:src/unmask/detectors/default/model.onnx > unmask-first.onnx
    python tools/first_weights.py unmask-first.onnx unmask-first.safetensors

It was trained by a program that is in the history at that commit, and shipped without weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import Tensor

PREFIX = "model."
FIRE_PLACES = (3, 4, 6, 7, 9, 10, 11, 12)
"""Place of each fire module in torchvision's `features`."""
PARTS = {"squeeze": "squeeze", "expand1": "expand1x1", "expand3": "expand3x3"}


def renamed(name: str) -> str:
    """Return a weight's name in `FaceNetwork("squeezenet1_1")`.

    Raises:
        ValueError: the file is of another network.
    """
    match name.split("."):
        case ["stem", kind]:
            return f"backbone.features.0.{kind}"
        case ["fires", number, part, kind]:
            return f"backbone.features.{FIRE_PLACES[int(number)]}.{PARTS[part]}.{kind}"
        case ["hidden" | "logit" as layer, kind]:
            return f"head.{layer}.{kind}"
        case _:
            raise ValueError(f"no weight of the first detector: {name!r}")


def weights(path: Path) -> dict[str, Tensor]:
    """Return its weights by name."""
    return {
        renamed(stored.name.removeprefix(PREFIX)): torch.from_numpy(
            numpy_helper.to_array(stored).copy()
        )
        for stored in onnx.load(str(path)).graph.initializer
        if stored.name.startswith(PREFIX)
    }


def main(source: Path, target: Path) -> None:
    """Write the weights."""
    save_file(weights(source), target)
    print(f"weights written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
