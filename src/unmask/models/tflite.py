"""Reading the convolutions of a quantised TensorFlow Lite file as floats.

Unsigned 8-bit values with one scale and one zero point per tensor: real = scale * (stored - zero).
Needs the `tflite` package, which holds the file format only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Convolution:
    """One convolution, batch normalisation folded in."""

    kernel: Floats
    """`(out, in / groups, H, W)`, PyTorch's order."""
    bias: Floats
    """`(out,)`."""


def read_convolutions(path: Path) -> list[Convolution]:
    """Return the convolutions of a file, plain and depthwise, in order.

    Args:
        path: a `.tflite` file of uint8 weights and int32 biases.
    """
    import tflite

    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    # a depthwise kernel is stored as (1, H, W, out), a plain one as (out, H, W, in)
    orders = {
        tflite.BuiltinOperator.CONV_2D: (0, 3, 1, 2),
        tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 0, 1, 2),
    }
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        order = orders.get(model.OperatorCodes(operator.OpcodeIndex()).DeprecatedBuiltinCode())
        if order is not None:
            kernel = _floats(model, graph.Tensors(operator.Inputs(1)), np.uint8)
            bias = _floats(model, graph.Tensors(operator.Inputs(2)), np.int32)
            found.append(Convolution(np.ascontiguousarray(kernel.transpose(order)), bias))
    return found


def _floats(model: Any, tensor: Any, stored: type[np.generic]) -> Floats:
    """Return a tensor's values as the floats that they stand for."""
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy().view(stored)
    quantisation = tensor.Quantization()
    zero, scale = quantisation.ZeroPoint(0), quantisation.Scale(0)
    values = (raw.astype(np.float64) - zero) * scale
    return values.reshape(tensor.ShapeAsNumpy()).astype(np.float32)
