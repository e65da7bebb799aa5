"""A network's graph cut down to some of its outputs.

One file holds all that a network gives (logit, feature map, gradients), so that its weights are
stored once. ONNX Runtime computes the whole graph whatever is asked for (measured: eight times the
time for the logit alone; `only_execute_path_to_fetches` changes nothing), so a session gets only
the nodes that lead to its outputs. Field numbers are those of onnx.proto3; `onnx` itself is not
needed to scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unmask.bundle.protobuf import Span, fields, pack, texts
from unmask.core.errors import BundleError

GRAPH, NODE, INITIALIZER, VALUE_INFO, OUTPUT = 7, 1, 5, 13, 12
"""Fields of a model and of its graph."""
NODE_INPUT, NODE_OUTPUT, NODE_ATTRIBUTE = 1, 2, 5
TENSOR_NAME, VALUE_NAME = 8, 1
_SUBGRAPHS = frozenset([6, 11])
"""Fields of an attribute that hold graphs."""


def output_names(data: bytes) -> list[str]:
    """Return the names of a model's outputs."""
    outputs = [part for number, part in _parts(data, _graph(data)) if number == OUTPUT]
    return [_name(data, part, VALUE_NAME) for part in outputs]


def prune(data: bytes, outputs: Sequence[str]) -> bytes:
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
    needed = _find_needed(data, nodes, outputs)
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
        kept += (pack(number << 3 | 2) + pack(part[1] - part[0]), view[slice(*part)])
    others = [(number, part) for number, part in _parts(data, (0, len(data))) if number != GRAPH]
    rest = [_message(number, data[part[0] : part[1]]) for number, part in others]
    versions = [_number(n, v) for n, v in fields(data, (0, len(data))) if isinstance(v, int)]
    head = pack(GRAPH << 3 | 2) + pack(sum(len(each) for each in kept))
    return b"".join([*versions, *rest, head, *kept])  # once: the weights are most of it


class _Needed:
    """What leads to some outputs."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.nodes: set[Span] = set()


def _find_needed(data: bytes, nodes: Sequence[Span], outputs: Sequence[str]) -> _Needed:
    """Walk from the outputs back; the nodes of a valid file stand in order of computation."""
    needed = _Needed(set(outputs))
    for node in reversed(nodes):
        parts = list(_parts(data, node))
        _refuse_subgraphs(data, parts)
        if not needed.names.isdisjoint(_texts_among(data, parts, NODE_OUTPUT)):
            needed.nodes.add(node)
            needed.names.update(_texts_among(data, parts, NODE_INPUT))
    return needed


def _texts_among(data: bytes, parts: Sequence[tuple[int, Span]], expected: int) -> list[str]:
    """Return the texts among the fields of a message that stand in one of them."""
    spans = [part for number, part in parts if number == expected]
    return [data[start:stop].decode("utf-8", "surrogateescape") for start, stop in spans]


def _refuse_subgraphs(data: bytes, parts: Sequence[tuple[int, Span]]) -> None:
    """Refuse a node with a graph in it, which could use any value without naming it as input."""
    attributes = (part for number, part in parts if number == NODE_ATTRIBUTE)
    if any(kind in _SUBGRAPHS for part in attributes for kind, _ in fields(data, part)):
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
    for number, part in fields(data, span):
        if not isinstance(part, int):
            yield number, part


def _name(data: bytes, span: Span, field: int) -> str:
    return next(texts(data, span, field), "")


def _message(number: int, content: bytes) -> bytes:
    return pack(number << 3 | 2) + pack(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return pack(number << 3) + pack(value)
