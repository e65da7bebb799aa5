"""What a crop store holds, counted: labels, methods, splits, face sizes, coverage.

Counts come from the shards' columns, coverage from their metadata; no picture is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from unmask.crops.store import CropStore

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the face size that are stated."""
BY = ("split", "label", "method", "compression")
"""Columns that crops are counted by."""


@dataclass(frozen=True)
class Count:
    """Crops that agree in all of `BY`."""

    split: str | None
    """Split; None where there is none."""
    label: str
    """`real` or `fake`."""
    method: str | None
    """Manipulation method; None for reals."""
    compression: str | None
    """Compression version; None where the data set has one only."""
    crops: int
    """Crops."""
    videos: int
    """Videos that they come from."""


@dataclass(frozen=True)
class Balance:
    """Classes of one split."""

    split: str | None
    """The split; None for crops without one."""
    crops: dict[str, int]
    """Crops per label."""
    imbalance: float | None
    """Crops of the larger class for each of the smaller; None where there is one class only."""
    class_weights: dict[str, float]
    """n / (k n_c): weights of the loss that make the classes count the same."""


@dataclass(frozen=True)
class Ending:
    """Videos of one label that ended in one way."""

    label: str
    """`real` or `fake`."""
    status: str
    """`done`, `empty` or `failed`."""
    videos: int
    """Videos."""


@dataclass(frozen=True)
class StoreStats:
    """All counts of a store."""

    dataset: str
    """Name of the layout."""
    licence: str
    """Terms of the data set."""
    protocol: str | None
    """How the splits were made."""
    leaks: bool
    """Whether that protocol leaks by design."""
    leak_reason: str | None
    """Why."""
    crops: int
    """Crops in shards."""
    videos: int
    """Videos that they come from."""
    counts: tuple[Count, ...]
    """Crops by split, label, method and compression."""
    balance: tuple[Balance, ...]
    """Classes of each split."""
    face_px: dict[str, dict[str, float]]
    """Quantiles of the shorter side of the face box, per label; labels without a size are absent.
    """
    forged_face: dict[str, int]
    """Crops of fakes by how the forged face was chosen."""
    endings: tuple[Ending, ...]
    """How videos ended, per label."""
    not_tried: int
    """Rows of the manifest that no run has come to."""
    not_in_shards: int
    """Videos that wait for the next run to be put into a shard; their crops are not counted."""
    missing: tuple[tuple[str, str, str], ...]
    """Videos without crops: id, status, reason."""


def compute_stats(store: CropStore) -> StoreStats:
    """Count everything in a store."""
    rows = store.rows([*BY, "video_id", "face_px", "forged_face"])
    coverage = store.coverage()
    info = store.info
    endings = Counter((line.record.label, line.status) for line in coverage.values())
    forged = rows.column("forged_face").drop_null().value_counts().to_pylist()
    return StoreStats(
        dataset=info.dataset,
        licence=info.licence,
        protocol=info.protocol,
        leaks=info.leaks,
        leak_reason=info.leak_reason,
        crops=len(rows),
        videos=len(rows.column("video_id").unique()),
        counts=_counts(rows),
        balance=_balance(rows),
        face_px=_face_sizes(rows),
        forged_face=dict(sorted((each["values"], each["counts"]) for each in forged)),
        endings=tuple(Ending(*key, videos=number) for key, number in sorted(endings.items())),
        not_tried=info.manifest_rows - len(coverage),
        not_in_shards=len(store.pending()),
        missing=tuple(
            (line.record.video_id, line.status, line.reason or "")
            for line in coverage.values()
            if line.status != "done"
        ),
    )


def class_weights(counts: dict[str, int]) -> dict[str, float]:
    """Return n / (k n_c) for each class that has a count.

    >>> class_weights({"real": 1, "fake": 3})
    {'real': 2.0, 'fake': 0.6666666666666666}
    """
    total = sum(counts.values())
    return {name: total / (len(counts) * count) for name, count in counts.items()}


def _counts(rows: pa.Table) -> tuple[Count, ...]:
    grouped = rows.group_by(list(BY)).aggregate([([], "count_all"), ("video_id", "count_distinct")])
    counts = [
        Count(
            each["split"],
            each["label"],
            each["method"],
            each["compression"],
            crops=each["count_all"],
            videos=each["video_id_count_distinct"],
        )
        for each in grouped.to_pylist()
    ]
    return tuple(sorted(counts, key=_order))


def _order(each: Any) -> tuple[str, ...]:
    return tuple(getattr(each, name) or "" for name in BY if hasattr(each, name))


def _balance(rows: pa.Table) -> tuple[Balance, ...]:
    counts: dict[str | None, dict[str, int]] = {}
    for each in rows.group_by(["split", "label"]).aggregate([([], "count_all")]).to_pylist():
        counts.setdefault(each["split"], {})[each["label"]] = each["count_all"]
    return tuple(
        sorted(
            (
                Balance(
                    split,
                    dict(sorted(each.items())),
                    max(each.values()) / min(each.values()) if len(each) > 1 else None,
                    class_weights(dict(sorted(each.items()))),
                )
                for split, each in counts.items()
            ),
            key=_order,
        )
    )


def _face_sizes(rows: pa.Table) -> dict[str, dict[str, float]]:
    labels = rows.column("label").to_numpy()
    sizes = rows.column("face_px").to_numpy().astype(np.float64)  # None becomes NaN
    quantiles = {}
    for label in np.unique(labels):
        measured = sizes[(labels == label) & np.isfinite(sizes)]
        if len(measured):
            quantiles[str(label)] = _quantiles(measured)
    return quantiles


def _quantiles(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    return {
        f"{q:g}": round(float(v), 1)
        for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
    }
