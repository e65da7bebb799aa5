"""Two predictions files of the same videos: what differs, by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.core.errors import ManifestError
from unmask.evaluation.aggregation import Units, make_units
from unmask.evaluation.composer import count_coverage, find_threshold, sorted_units
from unmask.evaluation.metrics import metrics
from unmask.evaluation.paired_tests import DeLong, Difference, McNemar, delong, differences, mcnemar
from unmask.evaluation.predictions import Predictions
from unmask.evaluation.results import EvaluationSettings, VideoCount


@dataclass(frozen=True)
class Comparison:
    """The first detector against the second."""

    detectors: tuple[str, str]
    """Their names."""
    leaks: bool
    """Whether the protocol of either leaks by design."""
    reals: int
    """Real units of both."""
    fakes: int
    """Fake units of both."""
    clusters: int
    """Clusters that draws take."""
    failures: tuple[int, int]
    """Units that each could not score; they count against it."""
    coverage: tuple[VideoCount, VideoCount]
    """How the videos of each ended."""
    differences: tuple[Difference, ...]
    """Of each figure."""
    delong: DeLong | None
    """Of the AUCs; None where units share clusters."""
    mcnemar: McNemar | None
    """Of the decisions; None where units share clusters."""

    def enough(self, share: float) -> bool:
        """Tell whether both analysed at least a share of the videos."""
        return min(count.share for count in self.coverage) >= share


def compare(
    first: Predictions, second: Predictions, settings: EvaluationSettings | None = None
) -> Comparison:
    """Compare two detectors on the units that both files list.

    Args:
        first: predictions of one detector.
        second: of another, over the same videos.
        settings: what a unit is, the threshold, and the draws.

    Raises:
        ManifestError: they are not of the same videos, or have only one label.
    """
    settings = settings or EvaluationSettings()
    pair = [
        make_units(
            each,
            level=settings.level,
            aggregation=settings.aggregation,
            cluster_by=settings.cluster_by,
        )
        for each in (first, second)
    ]
    one, other = _align(*pair)
    if not (one.reals and one.fakes):
        raise ManifestError(
            "a comparison needs reals and fakes",
            hint="score a data set that has both",
        )
    thresholds = [find_threshold(each.info, settings.threshold) for each in (first, second)]
    counted = [u.failures_against(t) for u, t in zip((one, other), thresholds, strict=True)]
    ordered = [
        sorted_units(units, each.info, threshold)
        for units, each, threshold in zip(counted, (first, second), thresholds, strict=True)
    ]
    figures = [
        m for m in metrics(settings.costs) if m.refusal(reals=one.reals, fakes=one.fakes) is None
    ]
    results = differences(
        ordered[0],
        ordered[1],
        one.cluster,
        figures,
        replicates=settings.replicates,
        seed=settings.seed,
    )
    right = []
    for units in ordered:
        back = np.empty(len(one), dtype=np.bool_)
        back[units.order] = units.called == units.is_fake
        right.append(back)
    alone = one.clusters == len(one) and min(one.reals, one.fakes) > 1
    return Comparison(
        detectors=(first.info.detector, second.info.detector),
        leaks=first.info.leaks or second.info.leaks,
        reals=one.reals,
        fakes=one.fakes,
        clusters=one.clusters,
        failures=(int((~one.scored).sum()), int((~other.scored).sum())),
        coverage=(count_coverage(first), count_coverage(second)),
        differences=tuple(results),
        delong=delong(counted[0].logit, counted[1].logit, one.is_fake) if alone else None,
        mcnemar=mcnemar(right[0], right[1]) if alone else None,
    )


def _align(first: Units, second: Units) -> tuple[Units, Units]:
    """Return the units of both in the same order.

    Raises:
        ManifestError: they are not the same, or are labelled otherwise.
    """
    names = [set(units.name) for units in (first, second)]
    if names[0] != names[1]:
        lacking = sorted(names[0] ^ names[1])
        raise ManifestError(
            f"the files are not of the same units: {len(lacking)} are in one only, such as "
            f"{lacking[0]!r}",
            hint="score the same videos with both; compare at --level video where faces differ",
        )
    one, other = (
        units.where(np.argsort(units.name.astype(str), kind="stable")) for units in (first, second)
    )
    if not np.array_equal(one.is_fake, other.is_fake):
        wrong = one.name[one.is_fake != other.is_fake][0]
        raise ManifestError(
            f"{wrong!r} is real in one file and fake in the other",
            hint="both files must have the same labels",
        )
    return one, other
