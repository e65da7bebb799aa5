"""Groups of rows that must stay together, and their even distribution over splits or folds.

Rows are linked by keys that they share (footage, persons, files); a group is a connected component
of these links, so that no key is ever on two sides. `place` hands the groups out. Both work on
plain keys and arrays; `group_rows` and `place_rows` do the same with a manifest's rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.manifest import VideoRecord

GroupBy = Literal["video", "identity"]
GROUP_BY: tuple[GroupBy, ...] = ("video", "identity")
"""What is kept together: footage and files, or persons as well."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which group each row belongs to."""

    of_row: NDArray[np.int64]
    """`(N,)` group of each row, numbered from 0 in order of first appearance."""
    sizes: NDArray[np.int64]
    """`(G,)` rows of each group."""

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """Rows of the largest group; 0 without rows."""
        return int(self.sizes.max(initial=0))

    @property
    def largest_share(self) -> float:
        """Share of all rows that the largest group holds."""
        return self.largest / max(1, len(self.of_row))

    def __repr__(self) -> str:
        """Show the extent, not the arrays."""
        return f"Grouping({len(self.of_row)} rows, {len(self)} groups, largest {self.largest})"


def connect(keys_of_rows: Iterable[Iterable[Hashable]]) -> Grouping:
    """Group rows that share a key, directly or through other rows.

    Args:
        keys_of_rows: the keys of each row; a row without keys is a group of its own.

    >>> connect([["a"], ["b", "a"], ["c"], ["b"], []]).of_row.tolist()
    [0, 0, 1, 0, 2]
    """
    parent: list[int] = []
    first_with: dict[Hashable, int] = {}
    for row, keys in enumerate(keys_of_rows):
        parent.append(row)
        for key in keys:
            one, other = _root(parent, first_with.setdefault(key, row)), _root(parent, row)
            parent[max(one, other)] = min(one, other)
    roots = np.array([_root(parent, row) for row in range(len(parent))], dtype=np.int64)
    _, of_row, sizes = np.unique(roots, return_inverse=True, return_counts=True)
    return Grouping(of_row.astype(np.int64), sizes.astype(np.int64))


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def seeded_order(names: Sequence[str], sizes: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Return the order in which groups are placed: largest first, equal sizes shuffled.

    The shuffle hashes each name with the seed; it depends neither on the order of rows nor on the
    versions of Python and numpy.
    """
    shuffled = np.array([_fraction(f"{seed}\0{name}") for name in names])
    return np.lexsort((shuffled, -sizes)).astype(np.int64)


def _fraction(text: str) -> float:
    """Return a number in [0, 1) that looks random but depends on the text alone."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def draw_index(text: str, shares: Sequence[float]) -> int:
    """Draw an index with the given shares, by a stable hash of the text.

    >>> draw_index("0/clip.mp4/17", (0.5, 0.5)) in (0, 1)
    True
    """
    edges = np.cumsum(shares) / np.sum(shares)
    return min(int(np.searchsorted(edges, _fraction(text), side="right")), len(shares) - 1)


def place(
    counts: NDArray[np.int64], ratios: Sequence[float], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Hand groups out to parts so that each part gets its ratio of every stratum.

    Each group in turn goes to the part that is least full with half of the group added (so that
    neither large nor small parts are favoured, as in Sainte-Laguë's method), measured in the strata
    that the group has, rare strata counting as much as common ones. At the end groups are moved for
    as long as that brings the totals closer to the ratios; no part's total is then further from its
    target than the size of the largest group.

    Args:
        counts: `(G, S)` rows of each group in each stratum.
        ratios: share of each part, in any unit; a part of ratio 0 gets nothing.
        order: `(G,)` groups in the order of placing.

    Returns:
        `(G,)` part of each group.
    """
    shares = np.asarray(ratios, dtype=np.float64) / np.sum(ratios)
    open_parts = np.flatnonzero(shares)
    totals = np.maximum(counts.sum(axis=0), 1)
    capacity = shares[open_parts, None] * totals
    filled = np.zeros_like(capacity)
    chosen = np.zeros(len(counts), dtype=np.int64)
    for group in order:
        rows = counts[group]
        part = int(np.argmin(((filled + rows / 2) / capacity) @ (rows / totals)))
        filled[part] += rows
        chosen[group] = part
    return open_parts[_settle(chosen, counts.sum(axis=1), shares[open_parts], order)]


def _settle(
    chosen: NDArray[np.int64],
    sizes: NDArray[np.int64],
    shares: NDArray[np.float64],
    order: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Move groups from the fullest to the emptiest part while that lessens both deviations.

    A move of a group of g rows does so while g is below excess plus deficit. The group nearest to
    half of that is moved; at the end excess + deficit is at most the largest group.
    """
    chosen = chosen.copy()
    while True:
        excess = np.bincount(chosen, weights=sizes, minlength=len(shares)) - shares * sizes.sum()
        fullest, emptiest = int(np.argmax(excess)), int(np.argmin(excess))
        gap = excess[fullest] - excess[emptiest]
        if gap <= sizes.max(initial=0):
            return chosen
        movable = order[chosen[order] == fullest]
        chosen[movable[np.argmin(np.abs(sizes[movable] - gap / 2))]] = emptiest


def place_groups(
    grouping: Grouping,
    strata: NDArray[np.int64],
    names: Sequence[str],
    ratios: Sequence[float],
    seed: int,
) -> NDArray[np.int64]:
    """Hand groups of rows out to parts, balanced over strata.

    Args:
        grouping: of N rows.
        strata: `(N,)` number of each row's stratum, from 0.
        names: `(N,)` names of the rows; that of a group's first row decides on its place.
        ratios: share of each part, in any unit.
        seed: of the order among groups of one size.

    Returns:
        `(N,)` part of each row.
    """
    counts = np.zeros((len(grouping), strata.max(initial=0) + 1), dtype=np.int64)
    np.add.at(counts, (grouping.of_row, strata), 1)
    firsts = np.unique(grouping.of_row, return_index=True)[1]
    order = seeded_order([names[row] for row in firsts], grouping.sizes, seed=seed)
    return place(counts, ratios, order)[grouping.of_row]


def group_rows(records: Sequence[VideoRecord], by: GroupBy = "video") -> Grouping:
    """Group rows by shared footage or files, and by shared persons if asked."""
    return connect(link_keys(record, by) for record in records)


def link_keys(record: VideoRecord, by: GroupBy) -> Iterator[tuple[str, str]]:
    """Yield what links a row to others."""
    yield from (("footage", key) for key in record.footage)
    if record.sha256 is not None:
        yield "file", record.sha256
    if by == "identity":
        yield from (("identity", key) for key in record.identities)


def place_rows(
    records: Sequence[VideoRecord], grouping: Grouping, ratios: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Return the part of each row, balanced over label and method."""
    strata: dict[tuple[str, str | None], int] = {}
    of_row = np.array(
        [strata.setdefault((r.label, r.method), len(strata)) for r in records], dtype=np.int64
    )
    return place_groups(grouping, of_row, [record.id for record in records], ratios, seed)
