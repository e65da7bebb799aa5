"""Rows of a crop store without any footage behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from unmask.crops.record import CropRecord
from unmask.crops.rows import CropRow, StoreInfo, VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing

INFO = StoreInfo("toy", "invented", None, False, None, "ab" * 32, 9, {"size_px": 8}, {"av": "1"})


def crop_row(name: str, number: int, image: bytes = b"picture", **facts: Any) -> CropRow:
    """Return a real crop of a video; `facts` are those that its record should have instead."""
    record = CropRecord(
        video_id=name, dataset="toy", label="real", split="train", track=1, frame_index=number,
        pts_seconds=number / 25, square=(0.0, 0.0, 8.0, 8.0),
    )  # fmt: skip
    return CropRow(
        record=replace(record, **facts), part=None, protocol=None, leaks=False, kind="video",
        track_frames=9, difference=None, sharpness=2.5, image=image, mask=None,
    )  # fmt: skip


def changed(row: CropRow, **facts: Any) -> CropRow:
    """Return a crop of whose record some facts are others."""
    return replace(row, record=replace(row.record, **facts))


def video_of(row: CropRow) -> CropRecord:
    """Return what is known of the whole video of a crop."""
    return replace(
        row.record, track=None, frame_index=None, pts_seconds=None, square=None, forged_face=None
    )


def write_store(folder: Path, rows: Sequence[CropRow], **changes: Any) -> Path:
    """Write a crop store of rows in order of video; `changes` are those of `INFO`."""
    grouped = groupby(rows, key=lambda row: row.record.video_id)
    videos = [tuple(crops) for _, crops in grouped]
    info = replace(INFO, **{"manifest_rows": len(videos), **changes})
    with open_for_writing(folder, info) as store:
        for crops in videos:
            line = VideoCoverage(
                video_of(crops[0]), "done", crops=len(crops), tracks_found=1, tracks_kept=1,
                seconds_analysed=1.0, work_seconds=0.1,
            )  # fmt: skip
            store.add(VideoCrops(line, crops))
    return folder
