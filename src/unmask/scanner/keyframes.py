"""Which frames of a face track are looked at: the difference signal and the selectors.

The paper takes the local maxima of the smoothed mean absolute inter-frame difference. Other ways to
choose stand beside it under one interface, so that they can be compared: a selector is a short
function from a `Signal` to ascending positions in the track.

The signal is computed in the first pass over the video; only the chosen frames are decoded in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Values = NDArray[np.float64]

_PEAKS_AT_LEAST = 8
"""The smoothing window shrinks on short tracks so that about this many peaks can stand in one."""
_THRESHOLD_DEVIATIONS = 1.0
_SHOT_SPREAD_DEVIATIONS = 3.0
GRID_RATIO = 3
"""Frames on the grid over frames chosen, which lie at most a third of a gap off an even spread."""


@dataclass(frozen=True, eq=False)
class Signal:
    """What a selector sees of one track."""

    differences: Values
    """`(N,)` mean absolute luma difference to the frame before, grey levels; NaN: not measured."""
    smoothed: Values
    """`(N,)` the same after smoothing, no NaN."""
    codec_keys: NDArray[np.bool_]
    """`(N,)` whether the video's own encoder made the frame a key frame."""

    def __post_init__(self) -> None:
        """Check that there is a frame and that the arrays belong together."""
        if not len(self.differences) == len(self.smoothed) == len(self.codec_keys) > 0:
            raise ValueError("a signal has at least one frame and arrays of one length")


def smooth(differences: Values, window_frames: int) -> Values:
    """Smooth a difference signal with a normalised Hann window, mirrored at both ends.

    A value that was not measured (NaN) lies on the line between its measured neighbours, and equals
    the nearest one at the ends. On short signals the window shrinks to an eighth of the length.

    Args:
        differences: `(N,)`, may hold NaN.
        window_frames: length of the window on a long signal.

    Returns:
        `(N,)` float64 without NaN.

    >>> smooth(np.array([np.nan, 3.0, 3.0, 3.0]), 50).tolist()
    [3.0, 3.0, 3.0, 3.0]
    """
    if window_frames < 1:
        raise ValueError(f"window_frames must be at least 1, got {window_frames}")
    values = np.asarray(differences, dtype=np.float64)
    measured = np.flatnonzero(np.isfinite(values))
    if len(measured) == 0:
        return np.zeros(len(values))
    values = np.interp(np.arange(len(values)), measured, values[measured])
    length = min(window_frames, len(values) // _PEAKS_AT_LEAST)
    if length < 2:
        return values
    window = np.hanning(length + 2)[1:-1]
    padded = np.pad(values, (length // 2, (length - 1) // 2), mode="reflect")
    result: Values = np.convolve(padded, window / window.sum(), mode="valid")
    return result


def peaks(values: Values) -> tuple[Positions, Values]:
    """Return the local maxima of a signal and their topographic prominences.

    A plateau counts once, at its middle (left of the middle when even); the ends never count. The
    same rules as SciPy's `find_peaks(values, prominence=0)`.

    >>> peaks(np.array([0.0, 2.0, 1.0, 3.0, 0.0]))[0].tolist()
    [1, 3]
    """
    if len(values) < 3:
        return np.empty(0, np.int64), np.empty(0)
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    ends = np.append(starts[1:], len(values)) - 1
    level = values[starts]
    inner = np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])) + 1
    positions = ((starts + ends) // 2)[inner].astype(np.int64)
    return positions, np.array([_prominence(values, int(p)) for p in positions])


def _prominence(values: Values, peak: int) -> float:
    """Height above the higher of the two valleys that part a peak from higher ground."""
    height = values[peak]
    left = np.flatnonzero(values[:peak] > height)
    right = np.flatnonzero(values[peak + 1 :] > height)
    valley_left = values[left[-1] + 1 if len(left) else 0 : peak + 1].min()
    valley_right = values[peak : peak + 1 + right[0] if len(right) else len(values)].min()
    return float(height - max(valley_left, valley_right))


def _largest(scores: Values, budget: int) -> Positions:
    """Positions of the `budget` largest scores, the earlier first among equals, ascending."""
    return np.sort(np.argsort(-scores, kind="stable")[:budget]).astype(np.int64)


def _spread(positions: Positions, budget: int) -> Positions:
    """At most `budget` of the positions, evenly spread: the middles of equal parts."""
    if len(positions) <= budget:
        return positions
    return positions[((np.arange(budget) + 0.5) * len(positions) / budget).astype(np.int64)]


def grid_step(count: int, budget: int) -> int:
    """Return the step of the grid that spread frames are taken from, a power of two.

    The grid has at most `GRID_RATIO` times as many frames as are chosen. As a track grows, its grid
    only ever loses frames, so that whoever reads a film once knows which frames may be chosen.

    >>> [grid_step(count, 12) for count in (36, 37, 72, 1800)]
    [1, 2, 2, 64]
    """
    step = 1
    while -(-count // step) > GRID_RATIO * budget:
        step *= 2
    return step


def spread_on_grid(positions: Positions, budget: int) -> Positions:
    """At most `budget` of the positions, those on the grid that are nearest to an even spread."""
    count, step = len(positions), grid_step(len(positions), budget)
    middles = _spread(np.arange(count), budget)
    return positions[(middles + step // 2) // step * step]


def local_maxima(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """Local maxima of the smoothed difference, the most prominent first (the paper)."""
    positions, prominences = peaks(signal.smoothed)
    return positions[_largest(prominences, budget)]


def uniform(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """Evenly spread over the track, on a grid that is known while the track grows."""
    return spread_on_grid(np.arange(len(signal.smoothed)), budget)


def every(signal: Signal, _budget: int, _: np.random.Generator) -> Positions:
    """Every sampled frame; the one selector without a budget."""
    return np.arange(len(signal.smoothed))


def top_difference(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """The frames that differ most from the one before, without smoothing."""
    return _largest(np.nan_to_num(signal.differences, nan=-1.0), budget)


def threshold(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """Frames whose difference is a standard deviation above the mean, evenly thinned."""
    values = np.nan_to_num(signal.differences, nan=0.0)
    limit = values.mean() + _THRESHOLD_DEVIATIONS * values.std()
    return _spread(np.flatnonzero(values > limit), budget)


def shot_aware(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """The middle of each calm stretch between two bursts of change, the longest stretches first."""
    values = np.nan_to_num(signal.differences, nan=0.0)
    limit = np.median(values) + _SHOT_SPREAD_DEVIATIONS * np.median(
        np.abs(values - np.median(values))
    )
    bounds = np.unique(np.concatenate([[0], np.flatnonzero(values > limit), [len(values)]]))
    starts, ends = bounds[:-1], bounds[1:]
    middles: Positions = (starts + ends) // 2
    return middles[_largest((ends - starts).astype(np.float64), budget)]


def codec_keyframes(signal: Signal, budget: int, _: np.random.Generator) -> Positions:
    """The frames that the video's encoder made key frames, evenly thinned as by `uniform`."""
    return spread_on_grid(np.flatnonzero(signal.codec_keys), budget)


def at_random(signal: Signal, budget: int, rng: np.random.Generator) -> Positions:
    """Drawn without replacement."""
    count = len(signal.smoothed)
    drawn: Positions = np.sort(rng.choice(count, min(budget, count), replace=False))
    return drawn


Selector = Callable[[Signal, int, np.random.Generator], Positions]

SELECTORS: dict[str, Selector] = {
    "local-maxima": local_maxima,
    "uniform": uniform,
    "all": every,
    "top-difference": top_difference,
    "threshold": threshold,
    "shot-aware": shot_aware,
    "codec-keyframes": codec_keyframes,
    "random": at_random,
}


FORESEEABLE: dict[str, Callable[[bool], bool]] = {
    "uniform": lambda _codec_key: True,
    "codec-keyframes": lambda codec_key: codec_key,
}
"""Selectors that take their frames from the grid, and whether a frame counts, given whether the
encoder made it a key frame; all others choose at the end."""


def selector(name: str) -> Selector:
    """Return a selector by name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SELECTORS:
        raise ValueError(f"unknown selector {name!r}; known: {', '.join(SELECTORS)}")
    return SELECTORS[name]


def select(name: str, signal: Signal, *, budget: int, seed: int = 0, least: int = 1) -> Positions:
    """Choose key frames of a track.

    Args:
        name: a key of `SELECTORS`.
        signal: the track's difference signal.
        budget: most frames chosen (`all` ignores it).
        seed: for selectors that draw.
        least: fewest frames chosen, where track and budget have that many; evenly spread ones are
            added to what the selector found.

    Returns:
        Ascending positions in the track, at least one: where the selector finds nothing, as in a
        flat or very short video, the middle frame.
    """
    choose = selector(name)
    if budget < 1:
        raise ValueError(f"budget must be at least 1, got {budget}")
    chosen = choose(signal, budget, np.random.default_rng(seed))
    if len(chosen) == 0:
        chosen = np.array([len(signal.smoothed) // 2])
    return _filled_up(chosen, len(signal.smoothed), min(least, budget))


def _filled_up(chosen: Positions, count: int, least: int) -> Positions:
    """Add the frames farthest from what is chosen and from both ends, until there are enough."""
    while len(chosen) < min(least, count):
        taken = np.concatenate([[-1], chosen, [count]])
        distance = np.abs(np.arange(count)[:, None] - taken).min(axis=1)
        chosen = np.sort(np.append(chosen, distance.argmax()))
    return chosen
