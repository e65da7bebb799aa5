"""Stores the large weights of an ONNX file in 16 bits: half of the space, float32 arithmetic.

    python tools/narrow_weights.py model.onnx narrow.onnx

Each becomes whole steps from -32767 to 32767 of a 32767th of the largest value of its output
channel, with a cast and a product behind it that ONNX Runtime computes once, when it loads the
file. For a network that was trained and calibrated before it is narrowed this is closer than
float16, whose steps are a 2048th of each value: `unmask-lite2` changes by a tenth as much.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SMALL = 8192
"""A tensor of no more values than this stays as it is."""
LARGEST = 32767


def narrow(model: onnx.ModelProto) -> int:
    """Narrow the large weights of a model in place, and return how many there were."""
    graph = model.graph
    large = [
        tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
        and len(tensor.dims) >= 2
        and np.prod(tensor.dims) > SMALL
    ]
    nodes = [node for tensor in large for node in _widen(graph, tensor)]
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])
    return len(large)


def _widen(graph: onnx.GraphProto, tensor: TensorProto) -> Iterator[NodeProto]:
    """Store a weight in steps, and yield the nodes that make its values of them."""
    name, values = tensor.name, numpy_helper.to_array(tensor)
    axes = tuple(range(1, values.ndim))
    scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-30) / LARGEST
    steps, wide = f"{name}.steps", f"{name}.wide"
    tensor.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int16), steps))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
    yield helper.make_node("Cast", [steps], [wide], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [wide, f"{name}.scale"], [name])


def main(source: str, target: str) -> None:
    """Narrow a file, and say what came of it."""
    model = onnx.load(source)
    count = narrow(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    sizes = [Path(path).stat().st_size / 1e6 for path in (source, target)]
    print(f"{count} tensors; {sizes[0]:.1f} to {sizes[1]:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
