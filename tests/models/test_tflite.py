"""Reading quantised convolutions, from a file built here value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tflite = pytest.importorskip("tflite", reason="the file format is in `tflite` (extra `train`)")
flatbuffers = pytest.importorskip("flatbuffers")

from unmask.models.tflite import read_convolutions  # noqa: E402 - waits for the check above

PLAIN = np.arange(2 * 3 * 3 * 4, dtype=np.uint8).reshape(2, 3, 3, 4)  # out, H, W, in
DEPTHWISE = np.arange(100, 100 + 3 * 3 * 4, dtype=np.uint8).reshape(1, 3, 3, 4)  # 1, H, W, out


def vector(builder: Any, start: Any, items: list[int], kind: str) -> int:
    start(builder, len(items))
    for item in reversed(items):
        getattr(builder, f"Prepend{kind}")(item)
    return builder.EndVector()


def tensor(builder: Any, shape: list[int], buffer: int, scale: float, zero: int) -> int:
    scales = vector(builder, tflite.QuantizationParametersStartScaleVector, [scale], "Float32")
    zeros = vector(builder, tflite.QuantizationParametersStartZeroPointVector, [zero], "Int64")
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scales)
    tflite.QuantizationParametersAddZeroPoint(builder, zeros)
    quantisation = tflite.QuantizationParametersEnd(builder)
    sides = vector(builder, tflite.TensorStartShapeVector, shape, "Int32")
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, sides)
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddQuantization(builder, quantisation)
    return tflite.TensorEnd(builder)


def operator(builder: Any, code: int, inputs: list[int]) -> int:
    places = vector(builder, tflite.OperatorStartInputsVector, inputs, "Int32")
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, places)
    return tflite.OperatorEnd(builder)


def buffer(builder: Any, values: np.ndarray) -> int:
    data = builder.CreateByteVector(values.tobytes())
    tflite.BufferStart(builder)
    tflite.BufferAddData(builder, data)
    return tflite.BufferEnd(builder)


def operator_code(builder: Any, code: int) -> int:
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, code)
    return tflite.OperatorCodeEnd(builder)


def write_model(path: Path) -> Path:
    """Write a plain convolution, an addition without weights, and a depthwise convolution."""
    builder = flatbuffers.Builder(1024)
    biases = (np.array([5, -7], dtype="<i4"), np.array([1, 2, 3, 4], dtype="<i4"))
    stored = (PLAIN, biases[0], DEPTHWISE, biases[1])
    quantised = ((0.5, 10), (0.25, 0), (0.125, 128), (2.0, 0))
    buffers = [buffer(builder, values) for values in stored]
    tensors = [
        tensor(builder, list(values.shape), place, *how)
        for place, (values, how) in enumerate(zip(stored, quantised, strict=True))
    ]
    operators = [
        operator(builder, code, i) for code, i in ((1, [9, 0, 1]), (0, []), (2, [9, 2, 3]))
    ]
    kinds = tflite.BuiltinOperator
    codes = [
        operator_code(builder, code) for code in (kinds.ADD, kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D)
    ]
    tensor_list = vector(builder, tflite.SubGraphStartTensorsVector, tensors, "UOffsetTRelative")
    steps = vector(builder, tflite.SubGraphStartOperatorsVector, operators, "UOffsetTRelative")
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_list)
    tflite.SubGraphAddOperators(builder, steps)
    graph = tflite.SubGraphEnd(builder)
    lists = [
        vector(builder, tflite.ModelStartOperatorCodesVector, codes, "UOffsetTRelative"),
        vector(builder, tflite.ModelStartSubgraphsVector, [graph], "UOffsetTRelative"),
        vector(builder, tflite.ModelStartBuffersVector, buffers, "UOffsetTRelative"),
    ]
    tflite.ModelStart(builder)
    tflite.ModelAddOperatorCodes(builder, lists[0])
    tflite.ModelAddSubgraphs(builder, lists[1])
    tflite.ModelAddBuffers(builder, lists[2])
    builder.Finish(tflite.ModelEnd(builder))
    path.write_bytes(bytes(builder.Output()))
    return path


def test_convolutions_are_read_in_order_as_pytorch_lays_them_out(tmp_path: Path) -> None:
    plain, depthwise = read_convolutions(write_model(tmp_path / "toy.tflite"))
    assert plain.kernel.shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(plain.kernel[1, 2, 0, 1], (PLAIN[1, 0, 1, 2] - 10.0) / 2)
    np.testing.assert_array_equal(plain.bias, [1.25, -1.75])
    assert depthwise.kernel.shape == (4, 1, 3, 3)
    np.testing.assert_array_equal(depthwise.kernel[3, 0, 2, 1], (DEPTHWISE[0, 2, 1, 3] - 128.0) / 8)
    np.testing.assert_array_equal(depthwise.bias, [2, 4, 6, 8])
    assert plain.kernel.dtype == depthwise.bias.dtype == np.float32
