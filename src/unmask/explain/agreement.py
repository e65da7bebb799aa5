"""Do two methods say the same of one prediction? Rank correlation, SSIM, overlap of the top.

All over a common small grid, since GradCAM's own is coarse: agreement on the noise of single pixels
is neither asked nor possible.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unmask.explain.differentiable import Float
from unmask.explain.maps import enlarge

GRID = 28
"""Side of the grid that maps are compared on."""
TOP_SHARE = 0.2
"""Share of the picture that counts as the top of a map."""
_SSIM_WINDOW = 7
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2

Values = NDArray[np.float64]


def on_grid(saliency: Float) -> Values:
    """Return a map `(S, S)` on the common grid."""
    return enlarge(np.ascontiguousarray(saliency, np.float32), GRID).astype(np.float64)


def spearman(one: Float, other: Float) -> float | None:
    """Return the rank correlation of two maps; None where one is the same everywhere."""
    ranks = [_ranks(each.ravel()) for each in (on_grid(one), on_grid(other))]
    centred = [each - each.mean() for each in ranks]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float(centred[0] @ centred[1]) / norm if norm > 0 else None


def _ranks(values: Values) -> Values:
    """Return ranks from 0, the mean of them where values are equal."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Values = (last - (counts + 1) / 2)[place]
    return ranks


def ssim(one: Float, other: Float) -> float:
    """Return the structural similarity of two maps in [0, 1].

    Source: Wang et al., "Image quality assessment", 2004, with a uniform 7 x 7 window.
    """
    x, y = on_grid(one), on_grid(other)
    window = (_SSIM_WINDOW, _SSIM_WINDOW)
    xs, ys = (np.lib.stride_tricks.sliding_window_view(each, window) for each in (x, y))
    mean_x, mean_y = xs.mean(axis=(2, 3)), ys.mean(axis=(2, 3))
    count = _SSIM_WINDOW**2
    unbiased = count / (count - 1)
    var_x, var_y = xs.var(axis=(2, 3)) * unbiased, ys.var(axis=(2, 3)) * unbiased
    both = unbiased * ((xs * ys).mean(axis=(2, 3)) - mean_x * mean_y)
    top = (2 * mean_x * mean_y + _SSIM_C1) * (2 * both + _SSIM_C2)
    bottom = (mean_x**2 + mean_y**2 + _SSIM_C1) * (var_x + var_y + _SSIM_C2)
    return float((top / bottom).mean())


def top_overlap(one: Float, other: Float, *, share: float = TOP_SHARE) -> float:
    """Return intersection over union of the strongest `share` of two maps."""
    a, b = (top_places(on_grid(each), share) for each in (one, other))
    return float((a & b).sum() / (a | b).sum())


def top_places(values: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """Mark the strongest `share` of a map, exactly that many; ties go to the first."""
    count = max(1, round(share * values.size))
    marked = np.zeros(values.size, bool)
    marked[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    return marked.reshape(values.shape)


def mean_agreement(maps: list[Float]) -> float | None:
    """Return the mean rank correlation over all pairs of maps of one picture.

    None where fewer than two maps say anything.
    """
    telling = [each for each in maps if each.any()]
    correlations = [spearman(one, other) for one, other in combinations(telling, 2)]
    known = [each for each in correlations if each is not None]
    return float(np.mean(known)) if known else None
