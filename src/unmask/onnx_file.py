"""ONNX files read by hand: the fields of their messages, and a graph cut down to some outputs.

One file holds all that a network gives (logit, feature map, gradients), so that its weights are
stored once. ONNX Runtime computes the whole graph whatever is asked for (measured: eight times the
time for the logit alone; `only_execute_path_to_fetches` changes nothing), so a session gets only
the nodes that lead to its outputs. Field numbers are those of onnx.proto3; `onnx` itself is not
needed to scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unmask.errors import BundleError

Span = tuple[int, int]
Fields = Iterator[tuple[int, "int | Span"]]

GRAPH, NODE, INITIALIZER, VALUE_INFO, OUTPUT = 7, 1, 5, 13, 12
"""Fields of a model and of its graph."""
NODE_INPUT, NODE_OUTPUT, NODE_ATTRIBUTE = 1, 2, 5
TENSOR_NAME, VALUE_NAME = 8, 1
_SUBGRAPHS = frozenset([6, 11])
"""Fields of an attribute that hold graphs."""


def fields(data: bytes, start: int, stop: int) -> Fields:
    """Yield the fields of a message: a number, or the span of what has a length.

    Raises:
        BundleError: the message is damaged or cut off.
    """
    while start < stop:
        # most tags and lengths are one byte; calls for each would double the time of a start
        tag, start = (data[start], start + 1) if data[start] < 128 else varint(data, start)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, start = varint(data, start)
            yield number, value
        elif wire == 2:
            short = start < stop and data[start] < 128
            length, start = (data[start], start + 1) if short else varint(data, start)
            if start + length > stop:
                raise BundleError("the ONNX file is cut off", hint="export the detector again")
            yield number, (start, start + length)
            start += length
        elif wire in {1, 5}:
            start += 8 if wire == 1 else 4
        else:
            raise BundleError("the ONNX file cannot be read", hint="export the detector again")


def varints(data: bytes, start: int, stop: int) -> Iterator[int]:
    """Yield packed numbers."""
    while start < stop:
        value, start = varint(data, start)
        yield value


def varint(data: bytes, start: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = shift = 0
    while True:
        if start >= len(data):
            raise BundleError("the ONNX file is cut off", hint="export the detector again")
        byte = data[start]
        value |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return value, start


def texts(data: bytes, span: Span, wanted: int) -> Iterator[str]:
    """Yield the texts of a message that stand in one of its fields."""
    for number, part in fields(data, *span):
        if number == wanted and not isinstance(part, int):
            yield data[part[0] : part[1]].decode("utf-8", "surrogateescape")


def output_names(data: bytes) -> list[str]:
    """Return the names of a model's outputs."""
    outputs = [part for number, part in _parts(data, _graph(data)) if number == OUTPUT]
    return [_name(data, part, VALUE_NAME) for part in outputs]


def pruned(data: bytes, outputs: Sequence[str]) -> bytes:
    """Return a model with the nodes and weights that some of its outputs need, and no others.

    Args:
        data: the bytes of an ONNX file.
        outputs: names of its outputs; the others go.

    Raises:
        BundleError: the file is damaged, or a node holds a graph of its own.
    """
    graph = _graph(data)
    parts = list(_parts(data, graph))
    nodes = [part for number, part in parts if number == NODE]
    needed = _needed(data, nodes, outputs)
    view = memoryview(data)
    kept: list[bytes | memoryview] = []
    for number, part in parts:
        if (
            (number == NODE and part not in needed.nodes)
            or (number == OUTPUT and _name(data, part, VALUE_NAME) not in outputs)
            or (number == INITIALIZER and _name(data, part, TENSOR_NAME) not in needed.names)
            or number == VALUE_INFO  # shapes of values that may be gone; they are inferred again
        ):
            continue
        kept += (_packed(number << 3 | 2) + _packed(part[1] - part[0]), view[slice(*part)])
    others = [(number, part) for number, part in _parts(data, (0, len(data))) if number != GRAPH]
    rest = [_message(number, data[part[0] : part[1]]) for number, part in others]
    versions = [_number(n, v) for n, v in fields(data, 0, len(data)) if isinstance(v, int)]
    head = _packed(GRAPH << 3 | 2) + _packed(sum(len(each) for each in kept))
    return b"".join([*versions, *rest, head, *kept])  # once: the weights are most of it


class _Needed:
    """What leads to some outputs."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.nodes: set[Span] = set()


def _needed(data: bytes, nodes: Sequence[Span], outputs: Sequence[str]) -> _Needed:
    """Walk from the outputs back; the nodes of a valid file stand in order of computation."""
    needed = _Needed(set(outputs))
    for node in reversed(nodes):
        parts = list(_parts(data, node))
        _refuse_subgraphs(data, parts)
        if not needed.names.isdisjoint(_texts_among(data, parts, NODE_OUTPUT)):
            needed.nodes.add(node)
            needed.names.update(_texts_among(data, parts, NODE_INPUT))
    return needed


def _texts_among(data: bytes, parts: Sequence[tuple[int, Span]], wanted: int) -> list[str]:
    """Return the texts among the fields of a message that stand in one of them."""
    spans = [part for number, part in parts if number == wanted]
    return [data[start:stop].decode("utf-8", "surrogateescape") for start, stop in spans]


def _refuse_subgraphs(data: bytes, parts: Sequence[tuple[int, Span]]) -> None:
    """Refuse a node with a graph in it, which could use any value without naming it as input."""
    attributes = (part for number, part in parts if number == NODE_ATTRIBUTE)
    if any(kind in _SUBGRAPHS for part in attributes for kind, _ in fields(data, *part)):
        raise BundleError(
            "a node of the ONNX file holds a graph of its own",
            hint="export the detector again, with its gradient in a file of its own",
        )


def _graph(data: bytes) -> Span:
    graphs = [part for number, part in _parts(data, (0, len(data))) if number == GRAPH]
    if len(graphs) != 1:
        raise BundleError(
            "the file is no ONNX model: it holds no graph", hint="export the detector again"
        )
    return graphs[0]


def _parts(data: bytes, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield the fields of a message that have a length."""
    for number, part in fields(data, *span):
        if not isinstance(part, int):
            yield number, part


def _name(data: bytes, span: Span, field: int) -> str:
    return next(texts(data, span, field), "")


def _message(number: int, content: bytes) -> bytes:
    return _packed(number << 3 | 2) + _packed(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _packed(number << 3) + _packed(value)


def _packed(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
