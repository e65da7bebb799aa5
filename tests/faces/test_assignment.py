"""Pairs of least total cost, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from unmask.faces.assignment import assign

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-50, 50))))
def test_the_total_cost_is_scipys(costs: np.ndarray) -> None:
    pairs = assign(costs)
    rows, columns = linear_sum_assignment(costs)
    assert len(pairs) == min(costs.shape)
    assert sum(costs[p] for p in pairs) == pytest.approx(costs[rows, columns].sum(), abs=1e-6)


@given(
    shapes.flatmap(
        lambda s: arrays(np.float64, s, elements=st.sampled_from([np.inf, 0.0, 1.0, 2.5]))
    )
)
def test_forbidden_pairs_are_left_out_and_as_many_as_possible_made(costs: np.ndarray) -> None:
    pairs = assign(costs)
    finite = np.where(np.isfinite(costs), costs, 1e6)
    rows, columns = linear_sum_assignment(finite)
    allowed = np.isfinite(costs[rows, columns])
    assert len(pairs) == allowed.sum()
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    total = sum(float(costs[p]) for p in pairs)
    assert total == pytest.approx(finite[rows, columns][allowed].sum())


def test_nothing_to_pair_gives_no_pairs() -> None:
    assert assign(np.zeros((0, 3))) == assign(np.zeros((2, 0))) == []
