"""Turn Keras' ImageNet weights of SqueezeNet 1.1 into a file that a recipe can start from.

    python tools/keras_squeezenet.py squeezenet_notop.h5 squeezenet1_1.safetensors

The input is the HDF5 file of the Keras SqueezeNet without its top (MIT); reading it needs h5py. Its
network takes BGR in 0..255 less Caffe's means, torchvision's takes RGB in 0..1 normalised with
ImageNet's mean and deviation; both are linear, so the first convolution takes up the difference.
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor

CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
FIRE_PLACES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
"""Place of each fire module in torchvision's `features`."""
PARTS = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}


def layer(file: h5py.File, name: str) -> tuple[Tensor, Tensor]:
    """Return kernel `(out, in, k, k)` and bias `(out,)` of a layer.

    Raises:
        KeyError: the file has no such layer.
    """
    arrays: list[NDArray[np.float32]] = []
    file[name].visititems(
        lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None
    )
    (kernel,) = (array for array in arrays if array.ndim == 4)
    (bias,) = (array for array in arrays if array.ndim == 1)
    return torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias)


def converted(file: h5py.File) -> dict[str, Tensor]:
    """Return the weights under torchvision's names."""
    kernel, bias = layer(file, "conv1")
    mean, std = (
        torch.tensor(colours)[None, :, None, None] * 255
        for colours in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    )
    caffe_mean = torch.tensor(CAFFE_MEAN_BGR).flip(0)[None, :, None, None]
    rgb = kernel.flip(1)
    state = {
        "features.0.weight": rgb * std,
        "features.0.bias": bias + (rgb * (mean - caffe_mean)).sum(dim=(1, 2, 3)),
    }
    for number, place in FIRE_PLACES.items():
        for theirs, ours in PARTS.items():
            weights = layer(file, f"fire{number}/{theirs}")
            for kind, tensor in zip(("weight", "bias"), weights, strict=True):
                state[f"features.{place}.{ours}.{kind}"] = tensor.contiguous()
    return state


def main(source: Path, target: Path) -> None:
    """Write the weights."""
    with h5py.File(source) as file:
        save_file(converted(file), target)
    print(f"weights written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
