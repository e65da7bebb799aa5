"""Scoring crops, or clips of them, as they are and under every distortion, with the same network.

    crops -> distorted at each level -> cut -> logits `(conditions, crops)`

Every crop is scored under all conditions, so that the shift of its logit is its own. The crops of a
clip all go through the same, whatever is drawn, and which crops make it does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unmask.bundle.framing import batch
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import ManifestError
from unmask.core.settings import REPLICATES
from unmask.evaluation.aggregation import ClusterBy, Level, check_names
from unmask.evaluation.inference import make_info
from unmask.evaluation.predictions import (
    PredictionRow,
    Predictions,
    PredictionsInfo,
    from_table,
    sort_key,
    to_table,
)
from unmask.evaluation.stored_pictures import StoredFace, StoredFaces
from unmask.evaluation.weightings import Values
from unmask.scanner.distortions import AS_THEY_ARE, DISTORTIONS, Condition, list_conditions
from unmask.system.files import write_whole

_CROPS_AT_A_TIME = 32
_METADATA_KEY = b"unmask-stress"
Progress = Callable[[int, int], None]
"""Called with the crops finished and their total."""


@dataclass(frozen=True)
class StressSettings:
    """How the scores are counted."""

    only: tuple[str, ...] = tuple(DISTORTIONS)
    """Distortions that are tried."""
    level: Level = "video"
    """What is counted."""
    aggregation: str = "mean"
    """How crops become one score."""
    cluster_by: ClusterBy = "source-video"
    """What intervals draw."""
    replicates: int = REPLICATES
    """Draws of an interval."""
    seed: int = 0
    """Of the draws and of what is random in a distortion."""

    def __post_init__(self) -> None:
        """Refuse unknown names."""
        check_names(self.level, self.aggregation, self.cluster_by)
        if unknown := sorted(set(self.only) - set(DISTORTIONS)):
            raise ValueError(f"no distortion {unknown[0]!r}; there are: {', '.join(DISTORTIONS)}")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is scored, the crops as they are first."""
        return (Condition(AS_THEY_ARE, None), *list_conditions(self.only))


@dataclass(frozen=True, eq=False)
class Scores:
    """Logits of all crops under all conditions."""

    predictions: Predictions
    """The crops as they are."""
    conditions: tuple[Condition, ...]
    """What was done, the crops as they are first."""
    logits: Values
    """`(C, N)`, a row for each condition, in the order of `predictions`."""
    unreadable: int
    """Crops that could not be decoded."""


def score_distorted(
    bundle: Bundle,
    faces: StoredFaces,
    settings: StressSettings,
    *,
    progress: Progress | None = None,
) -> Scores:
    """Score crops as they are and under every condition.

    Args:
        bundle: the detector.
        faces: of `faces_at`, for the same detector.
        settings: which distortions.
        progress: told of each few crops.

    Raises:
        ManifestError: no crop could be decoded.
    """
    network = Network(bundle, threads=faces.source.threads)
    conditions = settings.conditions
    rows: list[PredictionRow] = []
    logits: list[Values] = []
    for numbered in _batches(faces):
        result = _score(network, numbered, conditions, settings.seed)
        rows += [
            PredictionRow(face.record, logit=float(at))
            for (_, face), at in zip(numbered, result[0], strict=True)
        ]
        logits.append(result)
        if progress is not None:
            progress(numbered[-1][0] + 1, len(faces))
    if not rows:
        raise ManifestError("no crop could be decoded", hint="were the pictures damaged?")
    unreadable = len(faces) - len(rows)
    return _in_order(make_info(bundle, faces.source), rows, conditions, logits, unreadable)


def _batches(faces: StoredFaces) -> Iterator[list[tuple[int, StoredFace]]]:
    """Yield a few crops at a time with their numbers, without those that cannot be decoded."""
    waiting: list[tuple[int, StoredFace]] = []
    for number, face in enumerate(faces):
        if face is not None:
            waiting.append((number, face))
        if len(waiting) == _CROPS_AT_A_TIME:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _score(
    network: Network,
    numbered: Sequence[tuple[int, StoredFace]],
    conditions: Sequence[Condition],
    seed: int,
) -> Values:
    """Return logits `(C, N)` of a few crops; what is drawn depends on the crop's number only."""
    logits = []
    for condition in conditions:
        cuts = [
            face.inputs(partial(condition.of, seed=(seed, number))) for number, face in numbered
        ]
        logits.append(network.run(batch(cuts)).logits)
    return np.array(logits, dtype=np.float64)


def _in_order(
    info: PredictionsInfo,
    rows: Sequence[PredictionRow],
    conditions: tuple[Condition, ...],
    logits: Sequence[Values],
    unreadable: int,
) -> Scores:
    """Bring logits into the order of a predictions table."""
    keys = [sort_key(row) for row in rows]
    order = sorted(range(len(rows)), key=keys.__getitem__)
    videos = {row.crop.video_id for row in rows}
    described = info.model_copy(update={"videos_expected": len(videos)})
    plain = from_table(described, to_table(rows), name="the crops")
    return Scores(plain, conditions, np.concatenate(logits, axis=1)[:, order], unreadable)


def write_scores(scores: Scores, path: Path) -> None:
    """Write a row for each crop and condition, with the detector and the data as metadata.

    Args:
        scores: of `score_distorted`.
        path: a Parquet file; it is there whole or not at all.
    """
    plain, count = scores.predictions, len(scores.conditions)
    names = [c.distortion for c in scores.conditions for _ in range(len(plain))]
    levels = [c.level for c in scores.conditions for _ in range(len(plain))]
    labels = np.where(plain.is_fake, "fake", "real")
    table = pa.table(
        {
            "video_id": np.tile(plain.video_id.astype(str), count),
            "label": np.tile(labels, count),
            "track": np.tile(plain.track, count),
            "distortion": names,
            "level": pa.array(levels, pa.float64()),
            "logit": scores.logits.reshape(-1),
        }
    )
    described = table.replace_schema_metadata({_METADATA_KEY: plain.info.model_dump_json()})
    write_whole(path, lambda partial: pq.write_table(described, partial, compression="zstd"))
