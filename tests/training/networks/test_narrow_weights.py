"""Weights of a finished ONNX file in 16 bits: nearly the same network in half of the space."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.system.telemetry import onnxruntime

TOOL = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "narrow_weights.py"))
CHANNELS = 128


def network(weights: NDArray[np.float32]) -> onnx.ModelProto:
    """Return a network of one convolution of 1 x 1."""
    shape = ["batch", CHANNELS, 4, 4]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["logit"])],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model: onnx.ModelProto, image: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime().InferenceSession(model.SerializeToString())
    output: NDArray[np.float32] = session.run(None, {"image": image})[0]
    return output


def test_each_channel_keeps_its_own_fineness_in_half_of_the_space() -> None:
    rng = np.random.default_rng(0)
    sizes = np.logspace(-4, 1, CHANNELS)[:, None, None, None]  # of very different size
    weights = (rng.normal(size=(CHANNELS, CHANNELS, 1, 1)) * sizes).astype(np.float32)
    weights[3] = 0
    image = rng.normal(size=(2, CHANNELS, 4, 4)).astype(np.float32)
    whole, narrow = network(weights), network(weights)
    assert TOOL["narrow"](narrow) == 1
    assert narrow.ByteSize() < 0.55 * whole.ByteSize()
    onnx.checker.check_model(narrow)
    expected, got = run(whole, image), run(narrow, image)
    scale = np.abs(expected).max(axis=(0, 2, 3))
    error = np.abs(expected - got).max(axis=(0, 2, 3))
    assert (error <= 2e-4 * scale).all()
    assert not got[:, 3].any()


def test_small_tensors_stay() -> None:
    small = helper.make_model(
        helper.make_graph([], "none", [], [], [numpy_helper.from_array(np.ones((8, 8), "f"), "w")])
    )
    assert TOOL["narrow"](small) == 0
    assert small.graph.initializer[0].data_type == TensorProto.FLOAT
