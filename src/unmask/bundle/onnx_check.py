"""What an ONNX file of a bundle may hold: weights and plain arithmetic, all of it in its own bytes.

A bundle is data from a stranger. Its hash stands for one network only if nothing else decides what
that computes: no file beside it (external data), no library of operators, no dice. Field numbers
are those of onnx.proto3, read here because `onnx` is not needed to scan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unmask.bundle.protobuf import Field, Span, fields
from unmask.core.errors import BundleError

MAX_FIELDS = 2_000_000
"""Most parts of a file: the largest of the paper's networks has 30,000."""
MAX_DEPTH = 16
"""Deepest graph within a node of a graph."""
STANDARD = ("", "ai.onnx")
"""Domains of the operators that every ONNX Runtime has."""
RANDOM = frozenset(
    [
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    ]
)
"""Operators that answer differently each time."""
ENDLESS = frozenset(["Loop", "Scan"])
"""Operators that may never end."""
_HINT = "do not use this bundle; `unmask export` writes none like it"

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _SPARSE, _TENSOR = range(6)
_HOLDS = {
    _MODEL: {7: _GRAPH},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
"""Which fields of a message hold which messages."""
_FUNCTIONS, _OPERATOR, _DOMAIN, _INPUT = 25, 4, 7, 1
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_TRAINED_DROPOUT_INPUTS = 3
"""With so many inputs, dropout may be told to draw."""


def read_network(path: Path, sha256: str, *, ours: bool = False) -> bytes:
    """Return the bytes of an ONNX file that has a hash and holds nothing but a network.

    What is run is what was hashed: hand these bytes to ONNX Runtime, and not the path.

    Args:
        path: the file.
        sha256: its hash.
        ours: whether it came with this program, whose tests look at what it holds; doing so at
            each start takes a tenth of a second.

    Raises:
        BundleError: it is another file, damaged, or it may do more than compute.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(
            f"{path} was changed: its SHA-256 is not the one in the bundle's manifest",
            hint="copy the bundle again from where you had it",
        )
    if not ours and sha256 not in _passed:  # it is read when a bundle is opened, and when it is run
        check_network(data, name=str(path))
    _passed.add(sha256)
    return data


_passed: set[str] = set()
"""Hashes of the files that passed `check_network` in this process."""


def check_network(data: bytes, *, name: str) -> None:
    """Refuse an ONNX file that may do more than compute.

    Args:
        data: its bytes.
        name: what to call it in a message.

    Raises:
        BundleError: it is damaged, has too many parts, or needs something outside of itself.
    """
    _Reader(data, name).check((0, len(data)), _MODEL, depth=0)


@dataclass
class _Reader:
    """Walks through the messages of a file."""

    data: bytes
    name: str
    fields_read: int = 0

    def check(self, span: Span, kind: int, *, depth: int) -> None:
        """Check a message and all in it."""
        if depth > MAX_DEPTH * 3:  # a graph in a graph is three messages deeper
            raise self._refusal("holds graphs in graphs beyond all measure")
        if kind == _NODE:
            self._check_node(span)
        for number, value in self._fields(span):
            if kind == _MODEL and number == _FUNCTIONS:
                raise self._refusal("defines operators of its own")
            if kind == _TENSOR and (
                number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
            ):
                raise self._refusal("keeps weights in another file, which no hash stands for")
            inner = _HOLDS[kind].get(number)
            if inner is not None and not isinstance(value, int):
                self.check(value, inner, depth=depth + 1)

    def _check_node(self, span: Span) -> None:
        """Refuse an operator that loads code, draws at random or may never end."""
        texts: dict[int, str] = {}
        inputs = 0
        for number, value in self._fields(span):
            inputs += number == _INPUT
            if number in {_OPERATOR, _DOMAIN} and not isinstance(value, int):
                texts[number] = self.data[slice(*value)].decode("utf-8", "replace")
        operator, domain = texts.get(_OPERATOR, ""), texts.get(_DOMAIN, "")
        if domain not in STANDARD:
            raise self._refusal(f"uses the operator {operator[:60]!r} of {domain[:60]!r}")
        if operator in RANDOM or (operator == "Dropout" and inputs >= _TRAINED_DROPOUT_INPUTS):
            raise self._refusal(f"draws at random ({operator}), so that no answer holds twice")
        if operator in ENDLESS:
            raise self._refusal(f"repeats itself ({operator}), perhaps without end")

    def _fields(self, span: Span) -> Iterator[Field]:
        """Yield the fields of a message, a bounded number of them over the whole file."""
        parts = fields(self.data, span)
        while True:
            try:
                field = next(parts, None)
            except BundleError as error:
                raise self._damage() from error
            if field is None:
                return
            self.fields_read += 1
            if self.fields_read > MAX_FIELDS:
                raise self._refusal(f"has more than {MAX_FIELDS} parts")
            yield field

    def _damage(self) -> BundleError:
        return BundleError(
            f"{self.name} cannot be run: it is damaged, or no ONNX file",
            hint="copy the bundle again from where you had it",
        )

    def _refusal(self, what: str) -> BundleError:
        return BundleError(f"{self.name} {what}: refused", hint=_HINT)
