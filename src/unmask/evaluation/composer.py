"""From a predictions file to an evaluation: the one composer of this room.

    Predictions -> units -> coverage -> figures with intervals, for all and for each group -> curves

Each figure is given over what was analysed and, where something was not, with failures counted
against the detector too. A figure that the data cannot carry is there without a value, with the
reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.crops.resolution import say_coarse
from unmask.crops.rows import say_left_out
from unmask.evaluation.aggregation import Units, make_units
from unmask.evaluation.bootstrap import CLUSTERS_NEEDED, Interval, intervals
from unmask.evaluation.curves import compute_curves
from unmask.evaluation.metrics import Metric, metrics
from unmask.evaluation.predictions import Predictions, PredictionsInfo
from unmask.evaluation.results import (
    EVALUATION_VERSION,
    Confusions,
    Counting,
    Evaluation,
    EvaluationSettings,
    Figure,
    Group,
    VideoCount,
)
from unmask.evaluation.weightings import Sorted, Values

FACE_SIZES = (0, 64, 96, 128, 192, 256)
"""Lower ends of the groups by face size, pixels."""
SHARPNESS = (0, 3, 6, 12, 25, 50, 100)
"""Lower ends of the groups by sharpness, as `scoring.sharpness` measures it."""


def evaluate(predictions: Predictions, settings: EvaluationSettings | None = None) -> Evaluation:
    """Compute everything.

    Args:
        predictions: of one detector.
        settings: how.

    Raises:
        ManifestError: nothing was analysed.
        ValueError: the settings name something that there is not.
    """
    settings = settings or EvaluationSettings()
    info = predictions.info
    threshold = find_threshold(info, settings.threshold)
    units = make_units(
        predictions,
        level=settings.level,
        aggregation=settings.aggregation,
        cluster_by=settings.cluster_by,
    )
    analysed = units.where(units.scored)
    if not len(analysed):
        raise ManifestError(
            "no video was analysed, so there is nothing to evaluate",
            hint="read the column `reason` of the predictions file",
        )
    ordered = sorted_units(analysed, info, threshold)
    counts = ordered.plain().confusion
    both = analysed.reals > 0 and analysed.fakes > 0
    coverage = count_coverage(predictions)
    return Evaluation(
        version=EVALUATION_VERSION,
        info=info,
        settings=settings,
        threshold_logit=threshold,
        coverage=coverage,
        groups=tuple(_groups(units, info, threshold, settings)),
        confusion=Confusions(*(int(n[0]) for n in (counts.tp, counts.fn, counts.fp, counts.tn))),
        curves=compute_curves(ordered, name_kinds(analysed)[ordered.order].tolist())
        if both
        else None,
        warnings=tuple(_warnings(predictions, coverage, settings)),
    )


def find_threshold(info: PredictionsInfo, text: str | float) -> float:
    """Return a threshold by the name of an operating point, or as it is given.

    `balanced` is logit 0 of the calibrated odds where the detector has no operating points.

    Raises:
        ValueError: there is none of that name, or the number is not finite.
    """
    if not isinstance(text, str):
        if not np.isfinite(text):
            raise ValueError(f"a threshold is a finite logit, got {text}")
        return text
    known = {point.name: point.logit for point in info.operating_points}
    if not known and text == "balanced":
        return 0.0
    if text not in known:
        raise ValueError(
            f"the detector has no operating point {text!r}; it has: {', '.join(known) or 'none'}"
        )
    return known[text]


def sorted_units(units: Units, info: PredictionsInfo, threshold: float) -> Sorted:
    """Return scored units in order, with the detector's calibrated odds."""
    calibration = info.calibration
    log_odds = units.logit if calibration is None else calibration.log_odds(units.logit)
    return Sorted.of(units.logit, units.is_fake, log_odds=log_odds, threshold=threshold)


def name_kinds(units: Units) -> NDArray[np.object_]:
    """Return `real`, or the method of each fake, `(N,)`."""
    methods = units.words["method"]
    named = np.where(methods == None, "fake, method not known", methods)  # noqa: E711 - elementwise
    kinds: NDArray[np.object_] = np.where(units.is_fake, named, "real").astype(object)
    return kinds


def count_coverage(predictions: Predictions) -> VideoCount:
    """Count how the videos ended: one that has a score is done, whatever its other crops gave."""
    words = predictions.words
    rows = list(zip(predictions.video_id, words["status"], words["reason"], strict=True))
    status: dict[str, str] = {}
    for video, ending, _ in rows:
        if ending == "done" or status.get(video, "empty") == "empty":
            status[video] = ending
    ended = Counter(status.values())
    reasons = {
        video: reason or "no reason given"
        for video, ending, reason in rows
        if ending == status[video] != "done"
    }
    return VideoCount(
        expected=max(len(status), predictions.info.videos_expected or 0),
        done=ended["done"],
        empty=ended["empty"],
        failed=ended["failed"],
        reasons=tuple(Counter(reasons.values()).most_common()),
    )


def coarse_warnings(info: PredictionsInfo) -> tuple[str, ...]:
    """Return a warning where crops were scored on other pixels than a scan sees."""
    return (say_coarse(info.crops_coarse),) if info.crops_coarse else ()


def store_warnings(info: PredictionsInfo) -> tuple[str, ...]:
    """Return warnings where crops of a store were not scored, or on other pixels."""
    left_out = (say_left_out(info.crops_left_out),) if info.crops_left_out else ()
    return (*left_out, *coarse_warnings(info))


def train_warnings(splits: Iterable[str | None]) -> tuple[str, ...]:
    """Return a warning where a detector is measured on rows of the split train."""
    if "train" not in set(splits):
        return ()
    return ("rows of the split train are among these: figures of them say nothing of new videos",)


def _groups(
    units: Units, info: PredictionsInfo, threshold: float, settings: EvaluationSettings
) -> Iterator[Group]:
    """Yield figures of all units, then of each group, analysed first."""
    for by, value, keep in _subsets(units):
        subset = units.where(keep)
        analysed = subset.where(subset.scored)
        counted: list[tuple[Counting, Units]] = [("analysed", analysed)]
        if len(analysed) < len(subset):
            counted.append(("failures count against it", subset.failures_against(threshold)))
        for counting, each in counted:
            yield _group(
                each,
                by=by,
                value=value,
                counting=counting,
                info=info,
                threshold=threshold,
                settings=settings,
            )


def _subsets(units: Units) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield what units are grouped by; a group of one kind only is left out."""
    yield "all", "all", np.ones(len(units), dtype=np.bool_)
    for by, values in _GROUPINGS.items():
        result = values(units)
        names = sorted({str(name) for name in result if name is not None})
        if len(names) < 2:
            continue
        for name in names:
            reals = ~units.is_fake if by == "method" else np.zeros(len(units), dtype=np.bool_)
            yield by, name, (result == name) | reals


def _by_method(units: Units) -> NDArray[np.object_]:
    kinds = name_kinds(units)
    kinds[~units.is_fake] = None
    return kinds


def _by_range(values: Values, ends: Sequence[int], unit: str) -> NDArray[np.object_]:
    """Name for each value the range that it lies in, so that names sort as numbers do."""
    names = np.empty(len(values), dtype=object)
    for low, high in zip(ends, [*ends[1:], np.inf], strict=True):
        inside = (values >= low) & (values < high)
        last = f"{low:3d}{unit} and more"
        names[inside] = last if high == np.inf else f"{low:3d} to {high}{unit}"
    return names


_GROUPINGS: dict[str, Callable[[Units], NDArray[np.object_]]] = {
    "method": _by_method,
    "data set": lambda units: units.words["dataset"],
    "compression": lambda units: units.words["compression"],
    "face size": lambda units: _by_range(units.face_px, FACE_SIZES, " px"),
    "sharpness": lambda units: _by_range(units.sharpness, SHARPNESS, ""),
}
"""Groups of units; those by method hold one method's fakes and all reals."""


def _group(
    units: Units,
    *,
    by: str,
    value: str,
    counting: Counting,
    info: PredictionsInfo,
    threshold: float,
    settings: EvaluationSettings,
) -> Group:
    figures = metrics(settings.costs)
    refusals = {f.name: f.refusal(reals=units.reals, fakes=units.fakes) for f in figures}
    computable = [figure for figure in figures if refusals[figure.name] is None]
    values: dict[str, tuple[float, Interval | None]] = {}
    if computable:
        ordered = sorted_units(units, info, threshold)
        plain = ordered.plain()
        ends = intervals(
            ordered, units.cluster, computable, replicates=settings.replicates, seed=settings.seed
        )
        values = {f.name: (float(f.compute(plain)[0]), ends[f.name]) for f in computable}
    return Group(
        by=by,
        value=value.strip(),
        counting=counting,
        reals=units.reals,
        fakes=units.fakes,
        clusters=units.clusters,
        figures=tuple(
            make_figure(f, refusals[f.name], values.get(f.name), units.clusters) for f in figures
        ),
    )


def make_figure(
    metric: Metric,
    refusal: str | None,
    measured: tuple[float, Interval | None] | None,
    clusters: int,
) -> Figure:
    """Return a figure, with the reason for what it lacks.

    Args:
        metric: what was computed.
        refusal: why it was not.
        measured: value and interval; None where it was refused.
        clusters: that the interval draws.
    """
    if measured is None:
        return Figure(metric.name, None, None, refusal, metric.better)
    value, interval = measured
    reason = None
    if not np.isfinite(value):
        return Figure(metric.name, None, None, "not defined for these decisions", metric.better)
    if interval is None:
        few = clusters < CLUSTERS_NEEDED
        reason = (
            f"no interval: {clusters} clusters, at least {CLUSTERS_NEEDED} needed"
            if few
            else "no interval: not defined in most draws"
        )
    return Figure(metric.name, value, interval, reason, metric.better)


def _warnings(
    predictions: Predictions, coverage: VideoCount, settings: EvaluationSettings
) -> Iterator[str]:
    info = predictions.info
    if info.leaks:
        why = info.leak_reason or "see its name"
        yield f"the protocol {info.protocol!r} leaks by design: {why}"
    if coverage.share < settings.min_coverage:
        yield (
            f"{coverage.done} of {coverage.expected} videos were analysed "
            f"({coverage.share:.1%}); at least {settings.min_coverage:.0%} are asked for"
        )
    yield from store_warnings(info)
    yield from train_warnings(predictions.words["split"])
    calibration = info.calibration
    if calibration is None:
        yield "no calibration is known: logits are taken for log odds as they are"
    elif calibration.level != settings.level:
        yield (
            f"the calibration was fitted on {calibration.level}s and is applied to "
            f"{settings.level}s: Brier score, log loss, ECE and Cllr show what that costs"
        )
