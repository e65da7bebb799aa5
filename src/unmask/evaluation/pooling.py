"""Predictions of shards: one detector on parts of the same data, pooled as if scored in one run."""

from __future__ import annotations

from collections.abc import Sequence

from unmask.core.errors import ManifestError
from unmask.evaluation.predictions import (
    Predictions,
    PredictionsInfo,
    check_disjoint,
    concatenate,
    join_info,
)


def are_shards(parts: Sequence[Predictions]) -> bool:
    """Tell whether files are of one detector, same calibration included, and none is of a fold.

    Scores of other programs have no hash: whether they are of one network is not known.
    """
    hashes = {part.info.detector_sha256 for part in parts}
    folds = any(part.info.settings.get("fold") is not None for part in parts)
    return len(hashes) == 1 and None not in hashes and not folds


def pool_shards(parts: Sequence[Predictions]) -> Predictions:
    """Join the rows of shards; each row keeps its data set.

    Args:
        parts: for which `are_shards` holds.

    Raises:
        ManifestError: they share a video, or a shard is missing.
    """
    infos = [part.info for part in parts]
    check_disjoint(parts)
    _check_complete(infos)
    manifests = {info.manifest_sha256 for info in infos}
    counts = [info.videos_expected for info in infos if info.videos_expected is not None]
    shared = {"manifest_sha256": infos[0].manifest_sha256} if len(manifests) == 1 else {}
    settings = {name: v for name, v in infos[0].settings.items() if name != "shard"}
    info = join_info(infos).model_copy(
        update={
            **shared,
            "videos_expected": sum(counts) if len(counts) == len(infos) else None,
            "settings": settings,
        }
    )
    return concatenate(parts, info)


def _check_complete(infos: Sequence[PredictionsInfo]) -> None:
    """Refuse shards of which one was forgotten: its videos would fall out of the figures unseen."""
    named = [str(info.settings["shard"]) for info in infos if info.settings.get("shard")]
    for count in {name.partition("/")[2] for name in named}:
        present = {name.partition("/")[0] for name in named if name.endswith(f"/{count}")}
        missing = [n for n in map(str, range(1, int(count) + 1)) if n not in present]
        if missing:
            raise ManifestError(
                f"shard {missing[0]}/{count} is missing ({len(present)} of {count} are here)",
                hint="give the predictions of all shards",
            )
