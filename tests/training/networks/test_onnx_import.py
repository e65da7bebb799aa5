"""ONNX classifiers from elsewhere: the same scores behind one contract, and what is refused."""

# ruff: noqa: E402 - imports wait for the check that onnx is there

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("torch", "onnx"):
    pytest.importorskip(package, reason=f"needs {package} (extra `train`)")

import onnx
from onnx import TensorProto, helper, numpy_helper

from unmask.bundle.runtime import open_session
from unmask.core.errors import BundleError, InputError, InputNotFound, UnmaskError
from unmask.training.networks.onnx_import import (
    OnnxFacts,
    read_onnx_classifier,
    score_source,
    write_scoring,
)

SIDE = 16


def write_classifier(
    path: Path,
    *,
    classes: int = 2,
    side: int = SIDE,
    scale: str = "logits",
    channels_last: bool = False,
    opset: int = 17,
    batch: str | int = "n",
    more: tuple[Any, ...] = (),
    kind: int = TensorProto.FLOAT,
) -> Path:
    """Write a linear classifier of the mean colour, such as another tool might export."""
    rng = np.random.default_rng(classes)
    weights = rng.normal(size=(3, classes)).astype(np.float32)
    axes = [1, 2] if channels_last else [2, 3]
    constants = [numpy_helper.from_array(weights, "w")]
    mean: dict[str, Any] = {"axes": axes}
    inputs = ["pixels"]
    if opset >= 18:
        constants.append(numpy_helper.from_array(np.array(axes, np.int64), "axes"))
        mean, inputs = {}, ["pixels", "axes"]
    nodes = [
        helper.make_node("ReduceMean", inputs, ["colour"], keepdims=0, **mean),
        helper.make_node("MatMul", ["colour", "w"], ["raw"]),
        helper.make_node({"logits": "Identity", "softmax": "Softmax", "sigmoid": "Sigmoid"}[scale],
                         ["raw"], ["scores"]),
        *more,
    ]  # fmt: skip
    shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("pixels", kind, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 3, SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
@pytest.mark.parametrize(
    ("classes", "scale", "facts"),
    [
        (2, "logits", OnnxFacts()),
        (2, "softmax", OnnxFacts(fake=0, scale="probabilities")),
        (4, "logits", OnnxFacts(fake=2)),
        (1, "logits", OnnxFacts(single="real")),
        (1, "sigmoid", OnnxFacts(scale="probabilities")),
    ],
)
def test_the_logit_is_that_of_the_file_for_every_layout_of_outputs(
    tmp_path: Path, opset: int, classes: int, scale: str, facts: OnnxFacts
) -> None:
    path = write_classifier(tmp_path / "c.onnx", classes=classes, scale=scale, opset=opset)
    classifier = read_onnx_classifier(path, facts)
    write_scoring(classifier, tmp_path / "model.onnx")
    (logits,) = open_session(tmp_path / "model.onnx").run(["logit"], {"image": images()})
    outputs = score_source(classifier, images()).astype(np.float64)
    if scale == "logits":
        outputs = np.exp(outputs)
        outputs /= outputs.sum(axis=1, keepdims=True) if classes > 1 else 1 + outputs
    fake = outputs[:, facts.fake if facts.fake is not None else classes - 1]
    expected = np.log(fake / (1 - fake)) * (-1 if facts.single == "real" else 1)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_channels_last_and_other_colours_are_turned_into_place(tmp_path: Path) -> None:
    plain = read_onnx_classifier(write_classifier(tmp_path / "a.onnx"), OnnxFacts())
    path = write_classifier(tmp_path / "b.onnx", channels_last=True)
    turned = read_onnx_classifier(path, OnnxFacts(colours="BGR"))
    write_scoring(plain, tmp_path / "plain.onnx")
    write_scoring(turned, tmp_path / "turned.onnx")
    swapped = np.ascontiguousarray(images()[:, ::-1])
    (expected,) = open_session(tmp_path / "plain.onnx").run(["logit"], {"image": swapped})
    (got,) = open_session(tmp_path / "turned.onnx").run(["logit"], {"image": images()})
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "c.onnx")
    model = onnx.load(str(path))
    model.graph.output.append(helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["n", 2]))
    onnx.save(model, str(path))
    with pytest.raises(InputError, match="has the outputs scores, raw"):
        read_onnx_classifier(path, OnnxFacts())
    assert read_onnx_classifier(path, OnnxFacts(output="raw")).output_name == "raw"
    with pytest.raises(InputError, match="has no output 'other'"):
        read_onnx_classifier(path, OnnxFacts(output="other"))


def test_what_is_not_known_of_a_file_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 outputs, and which is fake is not known"):
        read_onnx_classifier(write_classifier(tmp_path / "c.onnx", classes=4), OnnxFacts())
    path = write_classifier(tmp_path / "d.onnx")
    with pytest.raises(InputError, match="takes 16 px, not 32"):
        read_onnx_classifier(path, OnnxFacts(size_px=32))
    with pytest.raises(InputNotFound, match="no ONNX file"):
        read_onnx_classifier(tmp_path / "absent.onnx", OnnxFacts())


def hostile(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "h.onnx"
    if kind == "random":
        drawn = helper.make_node("RandomNormal", [], ["drawn"], shape=[1])
        return write_classifier(path, more=(drawn,))
    if kind == "custom":
        node = helper.make_node("Shell", ["raw"], ["other"], domain="evil")
        return write_classifier(path, more=(node,))
    if kind == "integers":
        return write_classifier(path, kind=TensorProto.INT64)
    if kind == "old":
        return write_classifier(path, opset=8)
    whole = write_classifier(path).read_bytes()
    if kind == "external":
        model = onnx.load_from_string(whole)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        whole = model.SerializeToString()
    path.write_bytes(
        {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.get(kind, whole)
    )
    return path


@pytest.mark.parametrize(
    "kind", ["random", "custom", "integers", "old", "external", "cut", "empty", "text"]
)
def test_a_hostile_or_damaged_file_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnmaskError) as caught:
        read_onnx_classifier(hostile(tmp_path, kind), OnnxFacts())
    assert isinstance(caught.value, BundleError | InputError)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
