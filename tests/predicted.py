"""Predictions made up for tests, with scores drawn from known distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unmask.crops.record import CropRecord
from unmask.evaluation.predictions import (
    PredictionRow,
    Predictions,
    PredictionsInfo,
    from_table,
    to_table,
)


def info(**changes: Any) -> PredictionsInfo:
    return PredictionsInfo.model_validate(
        {"detector": "made up", "data": "draws", "licence": "none", **changes}
    )


def predictions(rows: Sequence[PredictionRow], **changes: Any) -> Predictions:
    return from_table(info(**changes), to_table(rows), name="test")


def row(video: str, label: str, logit: float | None, **more: Any) -> PredictionRow:
    status = more.pop("status", "failed" if logit is None else "done")
    told = {name: more.pop(name) for name in ("sharpness", "reason") if name in more}
    crop = CropRecord(video_id=video, dataset="made", label=label, **more)  # type: ignore[arg-type]
    return PredictionRow(crop, logit=logit, status=status, **told)


def changed(row: PredictionRow, **facts: Any) -> PredictionRow:
    """Return a row with other facts of its crop."""
    return replace(row, crop=replace(row.crop, **facts))


def drawn(
    videos: int = 60, crops: int = 4, *, seed: int = 0, shift: float = 1.5, failures: int = 0
) -> list[PredictionRow]:
    """Reals and fakes of alternating methods around footage shared by two of them each."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(videos):
        fake = number % 2 == 1
        method = ("swap", "mimic")[number // 2 % 2] if fake else None
        common = {
            "method": method,
            "target": f"clip{number // 2:03}",
            "identities": (f"person{number // 8}",),
            "split": "test",
            "compression": ("c23", "c40")[number // 4 % 2],
        }
        name, label = f"v{number:03}.mp4", "fake" if fake else "real"
        if number >= videos - failures:
            rows.append(row(name, label, None, reason="broken", **common))
            continue
        centre = rng.normal((shift if fake else -shift) / 2, 1.0)
        rows += [
            row(
                name,
                label,
                float(rng.normal(centre, 0.5)),
                track=1 + crop % 2,
                frame_index=crop,
                face_px=float(rng.uniform(50, 300)),
                sharpness=float(rng.uniform(10, 90)),
                **common,
            )
            for crop in range(crops)
        ]
    return rows
