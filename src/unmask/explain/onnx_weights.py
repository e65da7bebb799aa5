"""The weights inside an ONNX file, found and replaced without any library for it.

Needed to ask what a map looks like when the network knows nothing. Weights are shuffled by value:
the r-th smallest becomes the one of another rank. That keeps their distribution, and since it does
not depend on where a weight stands, a tensor that an exporter stored twice, turned or in
another file, is changed in the same way everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.onnx_file import GRAPH, INITIALIZER, NODE, NODE_INPUT
from unmask.bundle.protobuf import Span, fields, texts, varints
from unmask.core.errors import BundleError

_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_MAP_DIMS = 4
_DTYPES = {1: "<f4", 5: "<i2", 10: "<f2"}
"""Data types of onnx.proto3 that weights come in, as numpy names them."""


@dataclass(frozen=True)
class Weight:
    """One tensor of an ONNX file: float32, float16, or whole steps in 16 bits."""

    name: str
    """Its name."""
    start: int
    """First byte of its values in the file."""
    stop: int
    """Byte after the last."""
    dtype: str
    """How they are stored, `<f4`, `<f2` or `<i2`."""

    def values(self, data: bytes | bytearray) -> NDArray[np.float32]:
        """Return what is stored as float32, in the order of the file; steps without their size."""
        return np.frombuffer(data[self.start : self.stop], self.dtype).astype(np.float32)


def read_weights(data: bytes) -> list[Weight]:
    """Return the weights of an ONNX file with two or more dimensions, in the order of their use.

    Raises:
        BundleError: there are none as float32 or in 16 bits.
    """
    used: dict[str, int] = {}
    weights: list[Weight] = []
    for number, part in fields(data, (0, len(data))):
        if number == GRAPH and not isinstance(part, int):
            for kind, inner in fields(data, part):
                if kind == NODE and not isinstance(inner, int):
                    for name in texts(data, inner, NODE_INPUT):
                        used.setdefault(name, len(used))
                elif kind == INITIALIZER and not isinstance(inner, int):
                    weights += _weight(data, inner)
    known = [weight for weight in weights if weight.name in used]
    if not known:
        raise BundleError(
            "the network holds no float32 or 16-bit weights that could be replaced",
            hint="check the float32 detector that this one was made from",
        )
    return sorted(known, key=lambda weight: used[weight.name])


def shuffle_by_key(data: bytes, keys: set[str], *, seed: int) -> bytes:
    """Return an ONNX file in which tensors with these keys are shuffled by value."""
    changed = bytearray(data)
    for weight in read_weights(data):
        values = weight.values(data)
        key = content_key(values)
        if key in keys:
            unique, place = np.unique(values, return_inverse=True)
            rng = np.random.default_rng([seed, int(key[:15], 16)])
            changed[weight.start : weight.stop] = (
                rng.permutation(unique)[place].astype(weight.dtype).tobytes()
            )
    return bytes(changed)


def content_key(values: NDArray[np.float32]) -> str:
    """Return what tells the values of a tensor, in whatever order, from those of others."""
    return hashlib.sha256(np.unique(values).tobytes()).hexdigest()


def _weight(data: bytes, span: Span) -> list[Weight]:
    """Return the tensor in a span, if it is one to shuffle."""
    shape: list[int] = []
    kind = 0
    name, raw = "", (0, 0)
    for number, part in fields(data, span):
        if number == _DIMS:
            shape += [part] if isinstance(part, int) else varints(data, part)
        elif number == _DATA_TYPE and isinstance(part, int):
            kind = part
        elif number == _NAME and not isinstance(part, int):
            name = data[part[0] : part[1]].decode()
        elif number == _RAW_DATA and not isinstance(part, int):
            raw = part
    dtype = _DTYPES.get(kind)
    if dtype is None or raw[1] - raw[0] <= np.dtype(dtype).itemsize:
        return []
    # a factor of each channel: of batch normalisation's gradient, or of weights in whole steps
    factors = len(shape) == _MAP_DIMS and sum(length > 1 for length in shape) <= 1
    if len(shape) < 2 or factors:
        return []
    return [Weight(name, *raw, dtype)]
