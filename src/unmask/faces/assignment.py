"""The cheapest way to pair rows with columns, exactly, for the few faces that a frame holds.

SciPy has this as `linear_sum_assignment`, which the tests compare with; it alone would make the
installation a hundred megabytes larger.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]

_FORBIDDEN = 1e6
"""Stands for infinity: as many pairs as possible are made, then the cheapest ones."""


def assign(costs: Costs) -> list[tuple[int, int]]:
    """Pair rows with columns, each at most once, at the least total cost.

    Args:
        costs: `(R, C)`; infinite where a pair is not allowed, else between -1e4 and 1e4.

    Returns:
        Allowed pairs in order of rows, as many as can be made.

    Source: Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
    assignment problems", 1987 (without its initialisation).

    >>> assign(np.array([[1.0, 2.0], [1.0, 9.0]]))
    [(0, 1), (1, 0)]
    """
    rows, columns = costs.shape
    if rows > columns:
        return sorted((row, column) for column, row in assign(costs.T))
    finite = np.where(np.isfinite(costs), costs, _FORBIDDEN)
    row_at = np.full(columns, -1)
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    for row in range(rows):
        _augment(finite, row, row_at, row_price, column_price)
    pairs = ((int(row), column) for column, row in enumerate(row_at) if row >= 0)
    return sorted(pair for pair in pairs if np.isfinite(costs[pair]))


def _augment(
    costs: Costs,
    start: int,
    row_at: NDArray[np.int64],
    row_price: Costs,
    column_price: Costs,
) -> None:
    """Give one more row a column along the cheapest path; arrays are changed in place."""
    columns = costs.shape[1]
    reach = np.full(columns, np.inf)
    came_from = np.full(columns, -1)
    done = np.zeros(columns, dtype=bool)
    row, length, column = start, 0.0, -1
    while row >= 0:
        through = length + costs[row] - row_price[row] - column_price
        shorter = ~done & (through < reach)
        reach[shorter], came_from[shorter] = through[shorter], row
        column = int(np.where(done, np.inf, reach).argmin())
        length = float(reach[column])
        done[column] = True
        row = int(row_at[column])
    visited = np.flatnonzero(done)
    row_price[start] += length
    for each in visited:
        if row_at[each] >= 0:
            row_price[row_at[each]] += length - reach[each]
    column_price[visited] -= length - reach[visited]
    while True:
        row = int(came_from[column])
        previous = np.flatnonzero(row_at == row)
        row_at[column] = row
        if row == start:
            return
        column = int(previous[0])
