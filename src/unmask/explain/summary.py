"""From figures of single crops to a line per method: means, intervals over videos, a verdict.

The rule of the verdict is fixed here and printed with it. Faithfulness is judged on crops that the
detector itself calls fake: a map of what speaks for `fake` has a subject only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.explain.baselines import BASELINES
from unmask.explain.check import Checked, MapRow

IntervalOf = Callable[[NDArray[np.float64], NDArray[np.int64]], tuple[float, float] | None]
"""From values `(N,)` and the number of each one's source video to a 95 % interval of the mean."""

SURVIVES = 0.5
"""From this mean rank correlation with maps under wholly shuffled weights on, a method is not to
be trusted."""

Word = Literal["untrustworthy", "follows the score", "no better than a baseline", "not measured"]

RULE = (
    "untrustworthy: its maps stay alike (rank correlation of at least 0.5) when all weights are "
    "shuffled; follows the score: its mean gain in deletion and insertion is above zero over the "
    "centre and over random maps, with both 95 % intervals; else no better than a baseline"
)
"""How the verdict is found."""


@dataclass(frozen=True)
class Figure:
    """A mean over crops."""

    mean: float
    """The mean."""
    interval: tuple[float, float] | None
    """95 % interval over source videos; None for too few of them."""
    crops: int
    """How many crops it is a mean of."""

    def above_zero(self) -> bool:
        """Tell whether the whole interval lies above zero."""
        return self.interval is not None and self.interval[0] > 0


@dataclass(frozen=True)
class MeanCurves:
    """How P(fake) goes on average over the crops that are called fake."""

    deletion: tuple[float, ...]
    """While the strongest places are covered, from none to all."""
    insertion: tuple[float, ...]
    """While they are brought back."""


@dataclass(frozen=True)
class MethodSummary:
    """What is known of one method's maps for one detector; None is not measured."""

    method: str
    """Method, or baseline."""
    empty: float
    """Share of crops whose map is empty."""
    deletion: Figure | None
    """Mean P(fake) while covering; lower is better."""
    insertion: Figure | None
    """Mean P(fake) while bringing back; higher is better."""
    curves: MeanCurves | None
    """What these two are the areas of; None where no map was measured."""
    gain_centre: Figure | None
    """Mean gain in both over a blob in the middle."""
    gain_random: Figure | None
    """Mean gain in both over random maps."""
    sensitivity: Figure | None
    """Relative change of the map under small noise; lower is steadier."""
    shuffled: tuple[Figure, ...]
    """Rank correlation with maps under ever more shuffled weights; lower is better."""
    energy: Figure | None
    """Share of the map inside the mask."""
    energy_gain: Figure | None
    """The same less that of a blob in the middle."""
    pointing: Figure | None
    """How often the maximum lies inside the mask."""
    overlap: Figure | None
    """Intersection over union with the mask."""
    verdict: Word | None
    """By `RULE`; None for a baseline."""


@dataclass(frozen=True)
class PairSummary:
    """How far two methods agree."""

    one: str
    """A method."""
    other: str
    """Another."""
    spearman: Figure
    """Rank correlation."""
    ssim: Figure
    """Structural similarity."""
    overlap: Figure
    """Intersection over union of the strongest fifth."""


@dataclass(frozen=True)
class Summary:
    """What is known of a detector's maps."""

    methods: tuple[MethodSummary, ...]
    """A line per method, then the baselines."""
    pairs: tuple[PairSummary, ...]
    """A line per pair of methods."""
    crops: int
    """Crops checked."""
    called_fake: int
    """Crops at or above the threshold, on which faithfulness is judged."""
    masked: int
    """Crops with a mask that covers some but not all of them."""
    videos: int
    """Source videos."""


def summarise(checked: Checked, *, threshold: float, interval: IntervalOf) -> Summary:
    """Put the figures of all crops together.

    Args:
        checked: the figures.
        threshold: logit from which on a crop counts as called fake.
        interval: makes intervals over source videos.
    """
    videos = sorted({row.video_id for row in checked.rows})
    cluster = {name: number for number, name in enumerate(videos)}
    mean = _Mean(cluster, interval)
    methods = list(dict.fromkeys(row.method for row in checked.rows))
    base = {(row.method, row.crop_id): row for row in checked.rows if row.method in BASELINES}
    lines = tuple(
        _line(m, [r for r in checked.rows if r.method == m], base, threshold, mean) for m in methods
    )
    crops = {row.crop_id: row for row in checked.rows}
    return Summary(
        methods=lines,
        pairs=_pairs(checked, mean),
        crops=len(crops),
        called_fake=sum(row.logit >= threshold for row in crops.values()),
        masked=len({row.crop_id for row in checked.rows if row.energy is not None}),
        videos=len(videos),
    )


@dataclass(frozen=True)
class _Mean:
    """Means with intervals over source videos."""

    cluster: dict[str, int]
    interval: IntervalOf

    def __call__(self, pairs: Iterable[tuple[float | None, str]]) -> Figure | None:
        """Return the mean of what was measured, given with source videos; None of nothing."""
        known = [(value, self.cluster[video]) for value, video in pairs if value is not None]
        if not known:
            return None
        values, numbers = (np.array(column) for column in zip(*known, strict=True))
        interval = self.interval(values.astype(np.float64), numbers.astype(np.int64))
        return Figure(float(values.mean()), interval, len(known))


def _line(
    method: str,
    rows: Sequence[MapRow],
    base: dict[tuple[str, str], MapRow],
    threshold: float,
    mean: _Mean,
) -> MethodSummary:
    """Summarise one method."""
    called = [row for row in rows if row.logit >= threshold]
    baseline = method in BASELINES
    gains = {
        name: None
        if baseline
        else mean((_gain(row, base[name, row.crop_id]), row.video_id) for row in called)
        for name in BASELINES
    }
    depths = max((len(row.shuffled) for row in rows), default=0)
    by_depth = [
        mean((r.shuffled[d], r.video_id) for r in rows if r.shuffled) for d in range(depths)
    ]
    shuffled = tuple(figure for figure in by_depth if figure is not None)
    return MethodSummary(
        method=method,
        empty=sum(row.empty is not None for row in rows) / len(rows),
        deletion=mean((row.deletion_auc, row.video_id) for row in called),
        insertion=mean((row.insertion_auc, row.video_id) for row in called),
        curves=_mean_curves(called),
        gain_centre=gains["centre"],
        gain_random=gains["random"],
        sensitivity=mean((row.sensitivity, row.video_id) for row in rows),
        shuffled=shuffled,
        energy=mean((row.energy, row.video_id) for row in rows),
        energy_gain=None
        if baseline
        else mean((_inside(row, base["centre", row.crop_id]), row.video_id) for row in rows),
        pointing=mean((row.pointing, row.video_id) for row in rows),
        overlap=mean((row.overlap, row.video_id) for row in rows),
        verdict=None if baseline else verdict(gains["centre"], gains["random"], shuffled),
    )


def _mean_curves(rows: Sequence[MapRow]) -> MeanCurves | None:
    known = [row for row in rows if row.deletion]
    if not known:
        return None
    deletion, insertion = (
        tuple(np.mean([getattr(row, name) for row in known], axis=0).tolist())
        for name in ("deletion", "insertion")
    )
    return MeanCurves(deletion, insertion)


def verdict(
    gain_centre: Figure | None, gain_random: Figure | None, shuffled: Sequence[Figure]
) -> Word:
    """Say what a method's maps are worth, by `RULE`."""
    if shuffled and shuffled[-1].mean >= SURVIVES:
        return "untrustworthy"
    if gain_centre is None or gain_random is None or gain_centre.interval is None:
        return "not measured"
    if gain_centre.above_zero() and gain_random.above_zero():
        return "follows the score"
    return "no better than a baseline"


def _gain(row: MapRow, base: MapRow) -> float | None:
    """Return the mean gain in deletion and insertion over a baseline on the same crop."""
    figures = (row.deletion_auc, row.insertion_auc, base.deletion_auc, base.insertion_auc)
    if any(figure is None for figure in figures):
        return None
    deletion, insertion, base_deletion, base_insertion = (float(f or 0.0) for f in figures)
    return ((base_deletion - deletion) + (insertion - base_insertion)) / 2


def _inside(row: MapRow, base: MapRow) -> float | None:
    """Return how much more of a map than of the centre's blob lies inside the mask."""
    if row.energy is None or base.energy is None:
        return None
    return row.energy - base.energy


def _pairs(checked: Checked, mean: _Mean) -> tuple[PairSummary, ...]:
    names = dict.fromkeys((row.one, row.other) for row in checked.pairs)
    lines = []
    for one, other in names:
        rows = [row for row in checked.pairs if (row.one, row.other) == (one, other)]
        figures = [
            mean((getattr(row, name), row.video_id) for row in rows)
            for name in ("spearman", "ssim", "overlap")
        ]
        known = [figure for figure in figures if figure is not None]
        lines.append(PairSummary(one, other, *known))
    return tuple(lines)
