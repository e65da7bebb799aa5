"""Columns of a crop store in memory: a few bytes per crop, and values by position in little time.

Arrow makes a Python object of each value it hands out, which for twenty columns takes a fifth of
the time that decoding a picture takes; these hold numpy arrays. Used by `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_WIDTHS = {"square": 4, "box": 4, "landmarks": 10}
"""Numbers in a row of the columns that hold lists."""
_ABSENT = -1


class Column(Protocol):
    """A column that is asked for one value at a time."""

    def at(self, position: int) -> Any:
        """Return the value of a row; None where it has none."""


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of strings."""

    codes: NDArray[np.int32]
    """`(N,)` positions in `values`; -1 for None."""
    values: tuple[str, ...]
    """The different strings."""

    def at(self, position: int) -> str | None:
        """Return the string of a row."""
        code = self.codes[position]
        return None if code == _ABSENT else self.values[code]


@dataclass(frozen=True, eq=False)
class Keys:
    """A column of lists of strings."""

    codes: NDArray[np.int32]
    """`(N,)` positions in `values`."""
    values: tuple[tuple[str, ...], ...]
    """The different lists."""

    def at(self, position: int) -> tuple[str, ...]:
        """Return the strings of a row; none where it has no list."""
        return self.values[self.codes[position]]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers."""

    values: NDArray[Any]
    """`(N,)`; NaN for None."""

    def at(self, position: int) -> float | None:
        """Return the number of a row."""
        value: float = self.values[position].item()
        return value if value == value else None  # noqa: PLR0124 - NaN differs from itself


@dataclass(frozen=True, eq=False)
class Coordinates:
    """A column of boxes or points."""

    values: NDArray[np.float32]
    """`(N, K)`; NaN for None."""

    def at(self, position: int) -> tuple[float, ...] | None:
        """Return the numbers of a row."""
        row = self.values[position].tolist()
        return tuple(row) if row[0] == row[0] else None


def make_column(name: str, values: pa.ChunkedArray) -> Column:
    """Return a column in its compact form."""
    if pa.types.is_string(values.type):
        coded = values.combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(_ABSENT).to_numpy()
        return Texts(codes, tuple(coded.dictionary.to_pylist()))
    if pa.types.is_list(values.type) and pa.types.is_string(values.type.value_type):
        return _keys(values)
    if pa.types.is_list(values.type):
        return Coordinates(_matrix(values.combine_chunks(), _WIDTHS[name]))
    return Numbers(values.to_numpy())


def _keys(lists: pa.ChunkedArray) -> Keys:
    codes: dict[tuple[str, ...], int] = {}
    codes_of_rows = [codes.setdefault(tuple(each or ()), len(codes)) for each in lists.to_pylist()]
    return Keys(np.array(codes_of_rows, np.int32), tuple(codes))


def _matrix(lists: pa.ListArray, width: int) -> NDArray[np.float32]:
    matrix = np.full((len(lists), width), np.nan, np.float32)
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    matrix[known] = lists.flatten().to_numpy().reshape(-1, width)
    return matrix
