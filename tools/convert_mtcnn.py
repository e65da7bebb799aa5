"""Convert the three MTCNN networks of facenet-pytorch to ONNX, once, for the `faces` room.

`unmask` finds faces right after `pip install`, without torch and without a network connection, so
the weights travel inside the package as ONNX. This tool is where they come from: it reads
`pnet.pt`, `rnet.pt` and `onet.pt` out of facenet-pytorch's wheel (tensors only, nothing is
unpickled) and writes each network node by node, so that the same input gives the same bytes.

    python tools/convert_mtcnn.py SITE_PACKAGES/facenet_pytorch/data src/unmask/faces/weights
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

Weights = dict[str, NDArray[np.float32]]


class Graph:
    """Nodes and weights of one network, appended layer by layer."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def _constant(self, name: str, value: NDArray[np.float32]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: int | list[int]) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _parameters(self, layer: str) -> list[str]:
        return [self._constant(k, self.weights[k]) for k in (f"{layer}.weight", f"{layer}.bias")]

    def conv(self, source: str, layer: str) -> str:
        """Append a convolution without padding."""
        return self._add("Conv", [source, *self._parameters(layer)], layer)

    def prelu(self, source: str, layer: str, *, spatial: bool = True) -> str:
        """Append a PReLU with a slope per channel."""
        slope = self.weights[f"{layer}.weight"]
        shaped = slope.reshape(-1, 1, 1) if spatial else slope
        return self._add("PRelu", [source, self._constant(f"{layer}.weight", shaped)], layer)

    def pool(self, source: str, name: str, size: int) -> str:
        """Append a max pooling of stride 2 whose last window may hang over the edge."""
        shape: dict[str, int | list[int]] = {
            "kernel_shape": [size, size],
            "strides": [2, 2],
            "ceil_mode": 1,
        }
        return self._add("MaxPool", [source], name, **shape)

    def flatten(self, source: str) -> str:
        """Append facenet's flattening: width first, channels last."""
        turned = self._add("Transpose", [source], "turned", perm=[0, 3, 2, 1])
        return self._add("Flatten", [turned], "flat", axis=1)

    def dense(self, source: str, layer: str) -> str:
        """Append a fully connected layer."""
        return self._add("Gemm", [source, *self._parameters(layer)], layer, transB=1)

    def output(self, kind: str, source: str, name: str, **attributes: int | list[int]) -> None:
        """Name an output: `Softmax` or `Identity` of a layer."""
        self._add(kind, [source], name, **attributes)

    def model(
        self, name: str, shape: list[str | int], outputs: dict[str, list[str | int]]
    ) -> bytes:
        """Check the network and return it as bytes.

        Args:
            name: of the network.
            shape: of the input; a text is a dynamic axis.
            outputs: shape of each output by its name.
        """
        result = helper.make_model(
            helper.make_graph(
                self.nodes,
                name,
                [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
                [
                    helper.make_tensor_value_info(key, TensorProto.FLOAT, value)
                    for key, value in outputs.items()
                ],
                self.constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="unmask tools/convert_mtcnn.py",
        )
        onnx.checker.check_model(result, full_check=True)
        return bytes(result.SerializeToString(deterministic=True))


def pnet(weights: Weights) -> bytes:
    """Return P-Net: a fully convolutional proposal network with a 12 px cell and a stride of 2."""
    graph = Graph(weights)
    last = graph.prelu(graph.conv("image", "conv1"), "prelu1")
    last = graph.pool(last, "pool1", 2)
    last = graph.prelu(graph.conv(last, "conv2"), "prelu2")
    last = graph.prelu(graph.conv(last, "conv3"), "prelu3")
    graph.output("Softmax", graph.conv(last, "conv4_1"), "probability", axis=1)
    graph.output("Identity", graph.conv(last, "conv4_2"), "regression")
    outputs: dict[str, list[str | int]] = {
        "probability": ["batch", 2, "cells_y", "cells_x"],
        "regression": ["batch", 4, "cells_y", "cells_x"],
    }
    return graph.model("pnet", ["batch", 3, "height", "width"], outputs)


def rnet(weights: Weights) -> bytes:
    """Return R-Net: keeps or drops a 24 px candidate."""
    graph = Graph(weights)
    last = graph.pool(graph.prelu(graph.conv("image", "conv1"), "prelu1"), "pool1", 3)
    last = graph.pool(graph.prelu(graph.conv(last, "conv2"), "prelu2"), "pool2", 3)
    last = graph.prelu(graph.conv(last, "conv3"), "prelu3")
    last = graph.prelu(graph.dense(graph.flatten(last), "dense4"), "prelu4", spatial=False)
    graph.output("Softmax", graph.dense(last, "dense5_1"), "probability", axis=1)
    graph.output("Identity", graph.dense(last, "dense5_2"), "regression")
    outputs: dict[str, list[str | int]] = {
        "probability": ["batch", 2],
        "regression": ["batch", 4],
    }
    return graph.model("rnet", ["batch", 3, 24, 24], outputs)


def onet(weights: Weights) -> bytes:
    """Return O-Net: judges a 48 px candidate and places the five landmarks."""
    graph = Graph(weights)
    last = graph.pool(graph.prelu(graph.conv("image", "conv1"), "prelu1"), "pool1", 3)
    last = graph.pool(graph.prelu(graph.conv(last, "conv2"), "prelu2"), "pool2", 3)
    last = graph.pool(graph.prelu(graph.conv(last, "conv3"), "prelu3"), "pool3", 2)
    last = graph.prelu(graph.conv(last, "conv4"), "prelu4")
    last = graph.prelu(graph.dense(graph.flatten(last), "dense5"), "prelu5", spatial=False)
    graph.output("Softmax", graph.dense(last, "dense6_1"), "probability", axis=1)
    graph.output("Identity", graph.dense(last, "dense6_2"), "regression")
    graph.output("Identity", graph.dense(last, "dense6_3"), "landmarks")
    outputs: dict[str, list[str | int]] = {
        "probability": ["batch", 2],
        "regression": ["batch", 4],
        "landmarks": ["batch", 10],
    }
    return graph.model("onet", ["batch", 3, 48, 48], outputs)


NETWORKS = {"pnet": pnet, "rnet": rnet, "onet": onet}


def convert(source: Path, target: Path) -> None:
    """Write `pnet.onnx`, `rnet.onnx` and `onet.onnx`.

    Args:
        source: folder with facenet-pytorch's `.pt` files.
        target: folder to write to.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name, build in NETWORKS.items():
        state = torch.load(source / f"{name}.pt", weights_only=True, map_location="cpu")
        weights = {key: value.numpy().astype(np.float32) for key, value in state.items()}
        (target / f"{name}.onnx").write_bytes(build(weights))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with pnet.pt, rnet.pt and onet.pt")
    parser.add_argument("target", type=Path, help="folder to write the ONNX files to")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.target)
