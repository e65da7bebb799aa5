"""What an evaluation finds, as values: figures with intervals, groups, coverage, curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from unmask.core.settings import REPLICATES
from unmask.evaluation.aggregation import ClusterBy, Level
from unmask.evaluation.bootstrap import Interval
from unmask.evaluation.curves import Curves
from unmask.evaluation.metrics import CostMatrix
from unmask.evaluation.predictions import PredictionsInfo

EVALUATION_VERSION = "1"
"""Version of the evaluation's JSON."""
Counting = Literal["analysed", "failures count against it"]


@dataclass(frozen=True)
class EvaluationSettings:
    """How predictions are evaluated."""

    level: Level = "video"
    """What is counted."""
    aggregation: str = "mean"
    """How crops become one score."""
    cluster_by: ClusterBy = "source-video"
    """What intervals draw."""
    threshold: str | float = "balanced"
    """Name of the detector's operating point, or a logit."""
    replicates: int = REPLICATES
    """Draws of an interval."""
    seed: int = 0
    """Of the draws."""
    costs: CostMatrix = field(default_factory=CostMatrix)
    """Of the figure `expected cost`."""
    min_coverage: float = 0.95
    """Least share of the videos that must have been analysed."""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed."""
        if self.replicates < 1:
            raise ValueError(f"replicates must be at least 1, got {self.replicates}")
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"min_coverage must lie in [0, 1], got {self.min_coverage}")


@dataclass(frozen=True)
class Figure:
    """One number, with what it rests on."""

    name: str
    """Of the metric."""
    value: float | None
    """The number; None where it cannot be given."""
    interval: Interval | None
    """95 % interval over clusters; None where it cannot be given."""
    reason: str | None
    """Why the value or the interval is missing."""
    better: Literal["higher", "lower"]
    """Which way is better."""


@dataclass(frozen=True)
class Group:
    """Figures of one set of units."""

    by: str
    """`all`, or what it was grouped by."""
    value: str
    """The group's name."""
    counting: Counting
    """Whether failures were left out or counted against the detector."""
    reals: int
    """Real units."""
    fakes: int
    """Fake units."""
    clusters: int
    """Clusters that intervals draw."""
    figures: tuple[Figure, ...]
    """Its figures."""

    def figure(self, name: str) -> Figure:
        """Return a figure by name.

        Raises:
            KeyError: there is none of that name.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


@dataclass(frozen=True)
class VideoCount:
    """How videos ended."""

    expected: int
    """Videos that were to be scored."""
    done: int
    """Videos with a score."""
    empty: int
    """Videos without a face."""
    failed: int
    """Videos that could not be analysed."""
    reasons: tuple[tuple[str, int], ...]
    """Why, with the number of videos, the most frequent first."""

    @property
    def missing(self) -> int:
        """Videos that have no row at all."""
        return self.expected - self.done - self.empty - self.failed

    @property
    def share(self) -> float:
        """Share of the videos that have a score."""
        return self.done / self.expected


@dataclass(frozen=True)
class Confusions:
    """Units at the threshold."""

    fake_called_fake: int
    """True positives."""
    fake_called_real: int
    """Misses."""
    real_called_fake: int
    """False alarms."""
    real_called_real: int
    """True negatives."""


@dataclass(frozen=True)
class Evaluation:
    """All figures of one predictions file."""

    version: str
    """Of this structure."""
    info: PredictionsInfo
    """Detector, data, protocol."""
    settings: EvaluationSettings
    """How it was evaluated."""
    threshold_logit: float
    """The chosen threshold."""
    coverage: VideoCount
    """What was analysed."""
    groups: tuple[Group, ...]
    """All units first, then groups."""
    confusion: Confusions
    """Of all analysed units."""
    curves: Curves | None
    """Of all analysed units; None where one of the labels is missing."""
    warnings: tuple[str, ...]
    """What a reader should know before relying on this."""

    @property
    def overall(self) -> Group:
        """Figures of all analysed units."""
        return self.groups[0]

    @property
    def enough(self) -> bool:
        """Whether enough of the videos were analysed."""
        return self.coverage.share >= self.settings.min_coverage
