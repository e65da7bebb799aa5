"""Crops, tracks or videos as the units that are counted, each with one score and one label.

    Predictions -> level, aggregation -> Units -> metrics

A unit without a score is one that could not be analysed; crops without one are left out of a unit
that has others. Each unit belongs to a cluster (its source video or person), since units of one
cluster are no independent evidence; intervals draw clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.crops.columns import Texts
from unmask.evaluation.predictions import Predictions

Values = NDArray[np.float64]
Level = Literal["crop", "track", "video"]
ClusterBy = Literal["source-video", "identity", "video"]

LEVELS: tuple[Level, ...] = ("crop", "track", "video")
"""What a unit may be."""
_TOP = 3


def _mean(logits: Values, tracks: NDArray[np.int64]) -> float:
    del tracks
    return float(logits.mean())


def _median(logits: Values, tracks: NDArray[np.int64]) -> float:
    del tracks
    return float(np.median(logits))


def _max_track(logits: Values, tracks: NDArray[np.int64]) -> float:
    return max(float(logits[tracks == track].mean()) for track in np.unique(tracks))


def _confident_mean(logits: Values, tracks: NDArray[np.int64]) -> float:
    del tracks
    weights = np.abs(logits)
    return float(np.average(logits, weights=weights)) if weights.any() else 0.0


def _top(logits: Values, tracks: NDArray[np.int64]) -> float:
    del tracks
    return float(np.sort(logits)[-_TOP:].mean())


AGGREGATIONS: dict[str, Callable[[Values, NDArray[np.int64]], float]] = {
    "mean": _mean,
    "median": _median,
    "max-track": _max_track,
    "confident-mean": _confident_mean,
    "top-3": _top,
}
"""From the logits of a video's crops, and the track of each, to one logit: the mean; the median;
the mean of the most suspicious track (as a scan does); the mean weighted by the size of the logit;
the mean of the three highest."""


@dataclass(frozen=True, eq=False)
class Units:
    """What is counted, as columns."""

    logit: Values
    """`(N,)`, NaN where there is no score."""
    is_fake: NDArray[np.bool_]
    """`(N,)` labels."""
    cluster: NDArray[np.int64]
    """`(N,)` number of the cluster, from 0."""
    video: NDArray[np.object_]
    """`(N,)` id of the video."""
    name: NDArray[np.object_]
    """`(N,)` id of the video, with the track or the crop's number where that is the unit."""
    face_px: Values
    """`(N,)` median over the unit's crops, NaN where it was not measured."""
    sharpness: Values
    """`(N,)` likewise."""
    words: Mapping[str, NDArray[np.object_]]
    """`(N,)` each: method, dataset, compression."""

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.logit)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Units({len(self)}, {self.fakes} fake, {self.clusters} clusters)"

    @property
    def fakes(self) -> int:
        """Number of fakes."""
        return int(self.is_fake.sum())

    @property
    def reals(self) -> int:
        """Number of reals."""
        return len(self) - self.fakes

    @property
    def clusters(self) -> int:
        """Number of clusters that have a unit."""
        return len(np.unique(self.cluster))

    @property
    def scored(self) -> NDArray[np.bool_]:
        """`(N,)` whether there is a score."""
        return np.isfinite(self.logit)

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Units:
        """Return the units for which `keep` (N,) holds, or those at positions."""
        words = {name: column[keep] for name, column in self.words.items()}
        columns = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name != "words"}
        return Units(words=words, **columns)

    def failures_against(self, threshold: float) -> Units:
        """Return the units with failures counted against the detector.

        A fake without a score is taken for less suspicious than every scored unit, a real without
        one for more suspicious: it is wrong at every threshold, also one beyond all scores. Its
        distance from 0 is otherwise the largest that was scored, so that it costs no more than the
        worst of them.

        Args:
            threshold: logit at or above which a unit is called fake.
        """
        scored = self.logit[self.scored]
        edge = float(np.abs(scored).max()) if len(scored) else 1.0
        missed, alarm = min(-edge, threshold) - 1e-6, max(edge, threshold) + 1e-6
        wrong = np.where(self.is_fake, missed, alarm)
        return replace(self, logit=np.where(self.scored, self.logit, wrong))


def make_units(
    predictions: Predictions,
    *,
    level: Level = "video",
    aggregation: str = "mean",
    cluster_by: ClusterBy = "source-video",
) -> Units:
    """Make the units of a level.

    Args:
        predictions: rows of crops and failures.
        level: what a unit is.
        aggregation: name of how a track's or a video's crops become one score.
        cluster_by: what is drawn for intervals: `source-video` (the footage that was changed, with
            all its versions and fakes), `identity` (the person in the video; where a row names
            none, its source video) or `video`.

    Raises:
        ManifestError: persons are to be drawn and no row names one.
        ValueError: an unknown name.
    """
    check_names(level, aggregation, cluster_by)
    groups = _groups(predictions, level)
    first = np.array([group[0] for group in groups], dtype=np.int64)
    aggregate = AGGREGATIONS[aggregation] if level != "crop" else _mean
    keys = _CLUSTERS[cluster_by](predictions)[first]
    return Units(
        logit=np.array([aggregate(predictions.logit[g], predictions.track[g]) for g in groups]),
        is_fake=predictions.is_fake[first],
        cluster=np.unique(keys.astype(str), return_inverse=True)[1].astype(np.int64),
        video=predictions.video_id[first],
        name=_names(predictions, first, level),
        face_px=_medians(predictions.face_px, groups),
        sharpness=_medians(predictions.sharpness, groups),
        words={n: predictions.words[n][first] for n in ("method", "dataset", "compression")},
    )


def check_names(level: str, aggregation: str, cluster_by: str) -> None:
    """Refuse what `make_units` does not know.

    Raises:
        ValueError: an unknown name.
    """
    for value, allowed, what in (
        (level, LEVELS, "level"),
        (aggregation, AGGREGATIONS, "aggregation"),
        (cluster_by, _CLUSTERS, "cluster"),
    ):
        if value not in allowed:
            raise ValueError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")


def _groups(predictions: Predictions, level: Level) -> list[NDArray[np.int64]]:
    """Return the rows that count for each unit, in order of the video's id."""
    scored = np.isfinite(predictions.logit)
    groups = _all_rows(predictions, level)
    return [group[scored[group]] if scored[group].any() else group for group in groups]


def _all_rows(predictions: Predictions, level: Level) -> list[NDArray[np.int64]]:
    count = len(predictions)
    if level == "crop":
        return list(np.arange(count)[:, None])
    # np.unique would need four bytes for each character of each row
    videos = Texts.of(predictions.video_id).sorted_codes()[1]
    tracks = predictions.track if level == "track" else np.zeros(count, dtype=np.int64)
    order = np.lexsort((tracks, videos))
    changes = (np.diff(videos[order]) != 0) | (np.diff(tracks[order]) != 0)
    return np.split(order, np.flatnonzero(changes) + 1)


def _names(predictions: Predictions, first: NDArray[np.int64], level: Level) -> NDArray[np.object_]:
    videos = predictions.video_id[first]
    if level == "video":
        return videos
    ending = predictions.track[first] if level == "track" else first
    names = np.empty(len(first), dtype=object)
    names[:] = [f"{video}#{number}" for video, number in zip(videos, ending, strict=True)]
    return names


def _medians(values: Values, groups: list[NDArray[np.int64]]) -> Values:
    """Return the median of each group; NaN where one of them was not measured."""
    return np.array([np.median(values[group]) for group in groups])


def _by_source_video(predictions: Predictions) -> NDArray[np.object_]:
    target = predictions.words["target"]
    return np.where(target == None, predictions.video_id, target)  # noqa: E711 - elementwise


def _by_identity(predictions: Predictions) -> NDArray[np.object_]:
    keys = _by_source_video(predictions)
    persons = [each[0] if each else None for each in predictions.identities]
    known = np.array([person is not None for person in persons])
    if not known.any():
        raise ManifestError(
            "no row names a person, so intervals cannot draw persons",
            hint="draw source videos, --cluster source-video; or predict from data that name them",
        )
    keys[known] = [f"person {person}" for person in persons if person is not None]
    return keys


def _by_video(predictions: Predictions) -> NDArray[np.object_]:
    return predictions.video_id


_CLUSTERS: dict[str, Callable[[Predictions], NDArray[np.object_]]] = {
    "source-video": _by_source_video,
    "identity": _by_identity,
    "video": _by_video,
}
