"""Columns of a crop store in memory: a few bytes per crop, and values by position in little time.

Arrow makes a Python object of each value it hands out, which for twenty columns takes a fifth of
the time that decoding a picture takes; these hold numpy arrays. Used by `reading` and by training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

WIDTHS = {"square": 4, "box": 4, "landmarks": 10}
"""Numbers in a row of the columns that hold lists."""
_ABSENT = -1


class Column(Protocol):
    """A column that is asked for one value at a time."""

    def at(self, position: int) -> Any:
        """Return the value of a row; None where it has none."""


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of strings."""

    codes: NDArray[np.signedinteger[Any]]
    """`(N,)` positions in `values`; -1 for None."""
    values: tuple[str, ...]
    """The different strings."""

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> Texts:
        """Make a column of its strings."""
        known: dict[str, int] = {}
        codes = [_ABSENT if text is None else known.setdefault(text, len(known)) for text in texts]
        return cls(shrink(np.array(codes, np.int32)), tuple(known))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def __repr__(self) -> str:
        """Show the extent."""
        return f"Texts({len(self)} rows, {len(self.values)} values)"

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Texts:
        """Return the rows for which `rows` `(N,)` holds, or those at positions."""
        return Texts(self.codes[rows], self.values)

    def equal(self, text: str) -> NDArray[np.bool_]:
        """Return `(N,)` where a string stands."""
        code = self.values.index(text) if text in self.values else len(self.values)
        return np.asarray(self.codes == code, np.bool_)

    def to_list(self) -> list[str]:
        """Return the string of each row, of a column in which every row has one."""
        return [self.values[code] for code in self.codes]

    def distinct(self) -> set[str]:
        """Return the strings that stand in it."""
        return {self.values[code] for code in np.unique(self.codes) if code != _ABSENT}

    def sorted_codes(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return the strings that stand in it in order, and `(N,)` which of them each row has.

        Raises:
            ValueError: a row has none.
        """
        used, inverse = np.unique(self.codes, return_inverse=True)
        if len(used) and used[0] == _ABSENT:
            raise ValueError("a row has no text")
        texts = [self.values[code] for code in used]
        order = sorted(range(len(texts)), key=texts.__getitem__)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return [texts[place] for place in order], places[inverse]

    def or_else(self, others: Texts) -> Texts:
        """Return these strings, and in rows that have none those of another column."""
        codes = TextCodes()
        filled = codes.translate(self.codes, self.values)
        absent = filled == _ABSENT
        used, inverse = np.unique(others.codes[absent], return_inverse=True)
        filled[absent] = codes.translate(inverse, [others.values[code] for code in used])
        return Texts(filled, codes.values)

    def at(self, position: int) -> str | None:
        """Return the string of a row."""
        code = self.codes[position]
        return None if code == _ABSENT else self.values[code]


@dataclass(frozen=True, eq=False)
class Keys:
    """A column of lists of strings."""

    codes: NDArray[np.signedinteger[Any]]
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


@dataclass(frozen=True, eq=False)
class Missing:
    """A column without any value."""

    def at(self, _position: int) -> None:
        """Return None."""
        return


class TextCodes:
    """Codes of strings that come piece by piece: each string is there once for all pieces."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def encode(self, values: pa.ChunkedArray) -> NDArray[np.int32]:
        """Return `(N,)` the positions of strings in `values`; -1 for None."""
        coded = values.combine_chunks().dictionary_encode()
        return self.translate(
            coded.indices.fill_null(_ABSENT).to_numpy(), coded.dictionary.to_pylist()
        )

    def translate(
        self, codes: NDArray[np.signedinteger[Any]], values: Sequence[str]
    ) -> NDArray[np.int32]:
        """Return codes into other values as codes into these."""
        places = [self._known.setdefault(value, len(self._known)) for value in values]
        translated: NDArray[np.int32] = np.array([*places, _ABSENT], np.int32)[codes]
        return translated

    @property
    def values(self) -> tuple[str, ...]:
        """The different strings so far."""
        return tuple(self._known)


class ColumnBuilder:
    """Makes a column in its compact form of pieces, so that only one of them is there in full.

    Args:
        name: of the column.
        kind: its Arrow type.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self._name, self._kind = name, kind
        self._pieces: list[NDArray[Any]] = []
        self._texts = TextCodes()
        self._lists: dict[tuple[str, ...], int] = {}

    def add(self, values: pa.ChunkedArray) -> None:
        """Append rows."""
        self._pieces.append(self._compact(values))

    def _compact(self, values: pa.ChunkedArray) -> NDArray[Any]:
        if self._is_text:
            return self._texts.encode(values)
        if self._is_keys:
            codes = self._lists
            rows = values.to_pylist()
            return np.array([codes.setdefault(tuple(r or ()), len(codes)) for r in rows], np.int32)
        if pa.types.is_list(self._kind):
            return _matrix(values.combine_chunks(), WIDTHS[self._name])
        numbers: NDArray[Any] = values.to_numpy()
        return shrink(numbers)

    @property
    def _is_text(self) -> bool:
        return bool(pa.types.is_string(self._kind))

    @property
    def _is_keys(self) -> bool:
        return bool(pa.types.is_list(self._kind) and pa.types.is_string(self._kind.value_type))

    def finish(self) -> Column:
        """Return the column; the pieces are gone."""
        values = np.concatenate(self._pieces)
        self._pieces = []
        if self._is_text:
            return Texts(shrink(values), self._texts.values)
        if self._is_keys:
            return Keys(shrink(values), tuple(self._lists))
        if values.dtype.kind == "f" and np.isnan(values).all():
            return Missing()
        return Coordinates(values) if values.ndim == 2 else Numbers(shrink(values))


def join_texts(*columns: Sequence[Texts]) -> tuple[Texts, ...]:
    """Join columns that come in pieces, one from each of the same sources; they share values."""
    codes = TextCodes()
    pieces = [
        [codes.translate(piece.codes, piece.values) for piece in of_source]
        for of_source in zip(*columns, strict=True)
    ]
    joined = (join_numbers([row[n] for row in pieces], np.int32) for n in range(len(columns)))
    return tuple(Texts(shrink(each), codes.values) for each in joined)


def join_numbers(
    pieces: Sequence[NDArray[Any]], kind: type[np.generic], *, absent: int = 0
) -> NDArray[Any]:
    """Join pieces of a column of whole numbers, with another number for NaN."""
    whole = (
        np.where(np.isnan(piece), absent, piece) if piece.dtype.kind == "f" else piece
        for piece in pieces
    )
    return np.concatenate([np.empty(0, kind), *(piece.astype(kind) for piece in whole)])


def shrink(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in the smallest type that holds them; others as they are."""
    if values.dtype.kind != "i" or not len(values):
        return values
    smallest = np.result_type(*map(np.min_scalar_type, (values.min(), values.max())), np.int8)
    return values.astype(smallest, copy=False)


def _matrix(lists: pa.ListArray, width: int) -> NDArray[np.float32]:
    matrix = np.full((len(lists), width), np.nan, np.float32)
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    matrix[known] = lists.flatten().to_numpy().reshape(-1, width)
    return matrix
