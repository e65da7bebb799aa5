"""Cutting an ONNX file down to some outputs, without the library for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import OUTPUTS, SIZE, _field, onnx_model
from unmask.bundle.onnx_file import output_names, prune
from unmask.core.errors import BundleError
from unmask.system.telemetry import onnxruntime

IMAGE = np.random.default_rng(0).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)


def results(model: bytes, names: list[str]) -> list[np.ndarray]:
    return onnxruntime().InferenceSession(model).run(names, {"image": IMAGE})


@pytest.mark.parametrize("kept", [["logit"], ["features"], ["gradient"], list(OUTPUTS)])
def test_what_is_left_computes_the_same(kept: list[str]) -> None:
    small = prune(onnx_model(), kept)
    assert sorted(output_names(small)) == sorted(kept)
    for result, expected in zip(results(small, kept), results(onnx_model(), kept), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_what_nothing_needs_is_gone() -> None:
    small = prune(onnx_model(), ["features"])
    assert b"Expand" not in small
    assert b"weights" not in small
    assert len(small) < len(onnx_model())


@given(place=st.integers(0, len(onnx_model()) - 1), value=st.integers(0, 255))
def test_a_damaged_file_is_refused_or_read(place: int, value: int) -> None:
    damaged = bytearray(onnx_model())
    damaged[place] = value
    try:
        assert isinstance(prune(bytes(damaged), ["logit"]), bytes)
    except BundleError:
        return


@pytest.mark.parametrize("data", [b"", b"not an ONNX file", onnx_model()[:-20]])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="ONNX"):
        prune(data, ["logit"])


def test_a_graph_within_a_node_is_refused() -> None:
    attribute = _field(1, b"then_branch") + _field(6, b"")
    node = _field(2, b"logit") + _field(4, b"If") + _field(5, attribute)
    with pytest.raises(BundleError, match="holds a graph of its own"):
        prune(_field(7, _field(1, node)), ["logit"])
