"""An ONNX classifier from anywhere as the `model.onnx` of a bundle: one input, one logit.

The graph stays as it is; what stands before its input (order of axes and colours) and behind its
output (from classes to the logit of `fake`) is added as a few plain operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from unmask.bundle.manifest import OUTPUTS
from unmask.bundle.onnx_check import check_network
from unmask.bundle.runtime import INPUT, open_session
from unmask.core.errors import BundleError, InputError, InputNotFound
from unmask.training.networks.onnx_export import strip_notes
from unmask.training.networks.output_layout import SMALLEST, Label, OutputLayout, Scale

Float = NDArray[np.float32]
_MAX_BYTES = 2 * 2**30
_PREFIX = "unmask/"
"""Before the names of what is added."""
_AXES_AS_INPUT = 18
"""From this version of the operators on, the axes of a reduction are an input."""
_OLDEST = 9
"""Oldest version of the operators that can be added to: older ones broadcast otherwise."""


@dataclass(frozen=True)
class OnnxFacts:
    """What an ONNX file does not say of itself."""

    output: str | None = None
    """Name of the output to score by; None: its only one."""
    fake: int | None = None
    """Number of the class that is fake; None: see `OutputLayout`."""
    scale: Scale = "logits"
    """What the outputs are."""
    single: Label = "fake"
    """What a single output speaks for."""
    colours: Literal["RGB", "BGR"] = "RGB"
    """Order of the colours that it takes."""
    size_px: int | None = None
    """Side of its pictures; None: as its input says."""


@dataclass(frozen=True)
class OnnxClassifier:
    """An ONNX file that was looked at."""

    path: Path
    """The file."""
    model: ModelProto
    """Its content."""
    input_name: str
    """Its picture."""
    channels_last: bool
    """Whether the picture is NHWC."""
    size_px: int
    """Side of the picture."""
    output_name: str
    """What scores."""
    layout: OutputLayout
    """What its numbers mean."""
    colours: Literal["RGB", "BGR"]
    """Order of the colours."""
    clip: None = None
    """It judges single pictures."""

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{self.path.name} ({self.output_name}): {self.layout.described}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it gives."""
        return OUTPUTS[:1]


def read_onnx_classifier(path: Path, facts: OnnxFacts) -> OnnxClassifier:
    """Look at an ONNX classifier, and run it once.

    Raises:
        InputNotFound: there is no such file.
        InputError: it is no classifier of pictures, or which class is fake is not known.
        BundleError: it is damaged, or may do more than compute.
    """
    model = _read(path)
    picture = _picture_input(model, path)
    sides = [dim.dim_value for dim in picture.type.tensor_type.shape.dim]
    last = sides[1] != 3 and sides[3] == 3
    height, width = sides[1:3] if last else sides[2:4]
    size = height or facts.size_px
    if not size or (height and width and height != width):
        raise InputError(
            f"{path.name} takes pictures of {height or 'any'} x {width or 'any'} px",
            hint="give --size; only square pictures are scored",
        )
    if facts.size_px not in {None, size}:
        raise InputError(
            f"{path.name} takes {size} px, not {facts.size_px}", hint="leave out --size"
        )
    names = [each.name for each in model.graph.output]
    if facts.output is None and len(names) > 1:
        raise InputError(
            f"{path.name} has the outputs {', '.join(names)}", hint="name one with --output-name"
        )
    output = facts.output or names[0]
    if output not in names:
        raise InputError(
            f"{path.name} has no output {output!r}", hint=f"it has: {', '.join(names)}"
        )
    bare = OnnxClassifier(
        path, model, picture.name, last, size, output, OutputLayout(1), facts.colours
    )
    classes = score_source(bare, np.zeros((1, 3, size, size), np.float32)).shape[1]
    layout = OutputLayout(classes, facts.fake, facts.scale, facts.single)
    return replace(bare, layout=layout)


def _read(path: Path) -> ModelProto:
    if not path.is_file():
        raise InputNotFound(f"no ONNX file {str(path)!r}", hint="give a file that ends in .onnx")
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} is larger than 2 GiB", hint="use a smaller network")
    data = path.read_bytes()
    check_network(data, name=str(path))
    model = onnx.load_from_string(data)
    version = next((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), 0)
    if version < _OLDEST:
        raise InputError(
            f"{path.name} is of ONNX operators {version}, {_OLDEST} is the oldest that is read",
            hint="convert it with onnx.version_converter",
        )
    return model


def _picture_input(model: ModelProto, path: Path) -> Any:
    """Return the one input of a graph that is no weight: a batch of colour pictures."""
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) == 1:
        tensor = inputs[0].type.tensor_type
        sides = [dim.dim_value for dim in tensor.shape.dim]
        if tensor.elem_type == TensorProto.FLOAT and len(sides) == 4 and 3 in {sides[1], sides[3]}:
            return inputs[0]
    described = ", ".join(f"{each.name} {_shape(each)}" for each in inputs) or "nothing"
    raise InputError(
        f"{path.name} takes {described}; a float32 picture (N, 3, S, S) or (N, S, S, 3) is needed",
        hint="export the classifier alone, with a picture as its one input",
    )


def _shape(value: Any) -> str:
    sides = [str(dim.dim_value or dim.dim_param or "?") for dim in value.type.tensor_type.shape.dim]
    return f"({', '.join(sides)})"


def score_source(classifier: OnnxClassifier, images: Float) -> Float:
    """Return the outputs `(N, classes)` of the file as it came, picture by picture.

    Args:
        classifier: the file.
        images: `(N, 3, S, S)` RGB, normalised.

    Raises:
        InputError: it gives anything else.
        BundleError: it cannot be run.
    """
    session = open_session(classifier.path)
    pictures = images[:, ::-1] if classifier.colours == "BGR" else images
    if classifier.channels_last:
        pictures = pictures.transpose(0, 2, 3, 1)
    rows = []
    for picture in pictures:
        feed = {classifier.input_name: np.ascontiguousarray(picture[None])}
        try:
            (values,) = session.run([classifier.output_name], feed)
        except Exception as error:  # ONNX Runtime has a dozen kinds
            raise BundleError(
                f"{classifier.path.name} fails: {str(error).splitlines()[0]}",
                hint="check --size and the input of the network",
            ) from error
        numbers = np.asarray(values)
        if numbers.dtype != np.float32 or numbers.size == 0 or numbers.size > 100_000:
            raise InputError(
                f"{classifier.output_name} of {classifier.path.name} gives {numbers.dtype} of "
                f"shape {numbers.shape}; float32 numbers, one a class, are needed",
                hint="name another output with --output-name",
            )
        rows.append(numbers.reshape(-1))
    return np.stack(rows)


def write_scoring(classifier: OnnxClassifier, path: Path) -> None:
    """Write `model.onnx`: the same graph from `image` to `logit`, for any number of pictures."""
    model = ModelProto()
    model.CopyFrom(classifier.model)
    graph = model.graph
    added = _Added(model)
    before = added.before(classifier)
    behind = added.behind(classifier)
    nodes = [*before, *graph.node, *behind]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    side = classifier.size_px
    graph.input.append(
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, side, side])
    )
    graph.output.append(helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["batch"]))
    del model.metadata_props[:]
    model.doc_string = graph.doc_string = ""
    onnx.save(model, str(path))
    strip_notes(path)


class _Added:
    """Nodes and constants that are added to a graph."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._version = next(o.version for o in model.opset_import if o.domain in {"", "ai.onnx"})
        self._nodes: list[Any] = []

    def before(self, classifier: OnnxClassifier) -> list[Any]:
        """Return what turns `image` into the input of the graph."""
        self._nodes, value = [], INPUT
        if classifier.colours == "BGR":
            value = self._node("Gather", [value, self._constant([2, 1, 0])], axis=1)
        if classifier.channels_last:
            value = self._node("Transpose", [value], perm=[0, 2, 3, 1])
        self._nodes.append(helper.make_node("Identity", [value], [classifier.input_name]))
        return self._nodes

    def behind(self, classifier: OnnxClassifier) -> list[Any]:
        """Return what turns the output of the graph into `logit`."""
        layout, self._nodes = classifier.layout, []
        shape = self._constant([-1, layout.classes])
        value = self._node("Reshape", [classifier.output_name, shape])
        fake = self._columns(value, [layout.fake_class])
        if layout.scale == "probabilities":
            fake = self._log_odds(fake)
        elif layout.classes > 1:
            fake = self._node("Sub", [fake, self._log_sum(self._columns(value, layout.others))])
        if layout.classes == 1 and layout.single == "real":
            fake = self._node("Neg", [fake])
        flat = helper.make_node("Reshape", [fake, self._constant([-1])], [OUTPUTS[0]])
        return [*self._nodes, flat]

    def _columns(self, value: str, numbers: list[int]) -> str:
        return self._node("Gather", [value, self._constant(numbers)], axis=1)

    def _log_odds(self, share: str) -> str:
        """Return log(p) - log(1 - p), with p kept off 0 and 1."""
        low, high, one = (self._constant(each) for each in (SMALLEST, 1 - SMALLEST, 1.0))
        kept = self._node("Min", [self._node("Max", [share, low]), high])
        rest = self._node("Sub", [one, kept])
        return self._node("Sub", [self._node("Log", [kept]), self._node("Log", [rest])])

    def _log_sum(self, values: str) -> str:
        if self._version < _AXES_AS_INPUT:
            return self._node("ReduceLogSumExp", [values], axes=[1], keepdims=1)
        return self._node("ReduceLogSumExp", [values, self._constant([1])], keepdims=1)

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{_PREFIX}{len(self._graph.initializer)}-{len(self._nodes)}-{kind}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, values: list[int] | float) -> str:
        name = f"{_PREFIX}constant{len(self._graph.initializer)}"
        kind = np.float32 if isinstance(values, float) else np.int64
        self._graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))
        return name
