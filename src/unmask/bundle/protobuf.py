"""Messages of protocol buffers, read by hand: numbers, and the spans of what has a length.

An ONNX file is one such message. It may come from a stranger, so nothing is read beyond the end of
the message that it stands in, and no number is longer than ten bytes.

It stays by hand: `onnx` is in the extra `train` alone, and to import it or `google.protobuf` takes
each start of a scan 0.2 to 0.6 s, where a network of 11 MB is read here in 0.04 s. Neither says at
which byte a tensor lies, which `explain.onnx_weights` needs to change it where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from unmask.core.errors import BundleError

Span = tuple[int, int]
"""First byte, and the one after the last."""
Field = tuple[int, int | Span]
"""Number of a field with its value, or the span of what has a length."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def fields(data: bytes, span: Span) -> Iterator[Field]:
    """Yield the fields of a message; numbers of a fixed size are passed over, no graph needs them.

    Raises:
        BundleError: the message is damaged or cut off.
    """
    at, stop = span
    while at < stop:
        # most tags and lengths are one byte; calls for each would double the time of a start
        tag, at = (data[at], at + 1) if data[at] < 128 else varint(data, at, stop)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = varint(data, at, stop)
            yield number, value
            continue
        if wire == _LENGTH:
            short = at < stop and data[at] < 128
            length, at = (data[at], at + 1) if short else varint(data, at, stop)
        elif wire in _FIXED_BYTES:
            length = _FIXED_BYTES[wire]
        else:
            raise _damage()
        if length > stop - at:
            raise _damage()
        if wire == _LENGTH:
            yield number, (at, at + length)
        at += length


def varints(data: bytes, span: Span) -> Iterator[int]:
    """Yield packed numbers."""
    at, stop = span
    while at < stop:
        value, at = varint(data, at, stop)
        yield value


def varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return a number of at most ten bytes, and where it ends.

    Raises:
        BundleError: it does not end in time.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _damage()


def texts(data: bytes, span: Span, expected: int) -> Iterator[str]:
    """Yield the texts of a message that stand in one of its fields."""
    for number, part in fields(data, span):
        if number == expected and not isinstance(part, int):
            yield data[slice(*part)].decode("utf-8", "surrogateescape")


def pack(value: int) -> bytes:
    """Return a number as a message holds it."""
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def _damage() -> BundleError:
    return BundleError(
        "the ONNX file is damaged, cut off, or no ONNX file",
        hint="copy the detector again from where you had it, or export it again",
    )
