"""A network's scores and its gradient at the input as one ONNX file, which holds weights once.

Both graphs stay whole, each with its own forward pass: ONNX Runtime fuses the operations of a plain
forward pass, which it cannot where a backward pass needs what lies between them. A session gets one
of the two (`unmask.bundle.onnx_file.prune`), so neither costs more than in a file of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from unmask.bundle.runtime import GRADIENT_OUTPUTS, INPUT
from unmask.core.errors import BundleError

_PREFIX = "gradient/"
"""Before the names of the gradient's values; the exporter's own have no slash in front."""


def share_weights(scoring: Path, gradient: Path) -> None:
    """Move the graph of one file into another, and remove the file.

    Args:
        scoring: `model.onnx`; it is written again.
        gradient: `gradient.onnx`, of the same operators.

    Raises:
        BundleError: their operators are of different versions.
    """
    model, other = onnx.load(str(scoring)), onnx.load(str(gradient))
    versions = [{o.domain: o.version for o in each.opset_import} for each in (model, other)]
    if versions[0] != versions[1] or model.functions or other.functions:
        raise BundleError(
            f"{scoring.name} and {gradient.name} are of different operators: {versions}",
            hint="export the detector again",
        )
    _add(model, other)
    onnx.save(model, str(scoring))
    gradient.unlink()


def _add(model: ModelProto, other: ModelProto) -> None:
    """Add another graph over the same input; equal tensors are stored once."""
    held = {_key(tensor): tensor.name for tensor in model.graph.initializer}
    names = {"": "", INPUT: INPUT, **{name: name for name in GRADIENT_OUTPUTS}}
    for tensor in other.graph.initializer:
        names[tensor.name] = held.get(_key(tensor), _PREFIX + tensor.name)
        if _key(tensor) not in held:
            added = model.graph.initializer.add()
            added.CopyFrom(tensor)
            added.name = names[tensor.name]
    for node in other.graph.node:
        added_node = model.graph.node.add()
        added_node.CopyFrom(node)
        added_node.name = _PREFIX + node.name
        for values in (added_node.input, added_node.output):
            values[:] = [names.get(name, _PREFIX + name) for name in values]
    model.graph.output.extend(other.graph.output)
    del model.graph.value_info[:]


def _key(tensor: TensorProto) -> tuple[tuple[int, ...], int, str]:
    content = hashlib.sha256(numpy_helper.to_array(tensor).tobytes()).hexdigest()
    return tuple(tensor.dims), tensor.data_type, content
