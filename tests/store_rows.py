"""Rows of a crop store without any footage behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from unmask.crops.rows import COLUMNS, CropRow, StoreInfo, VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing

INFO = StoreInfo("toy", "invented", None, False, None, "ab" * 32, 9, {"size_px": 8}, {"av": "1"})


def crop_row(name: str, number: int, image: bytes = b"picture") -> CropRow:
    known: dict[str, Any] = {
        "crop_id": f"{name}#t1f{number}",
        "video_id": name,
        "dataset": "toy",
        "label": "real",
        "identities": (),
        "split": "train",
        "leaks": False,
        "kind": "video",
        "track": 1,
        "track_frames": 9,
        "frame_index": number,
        "pts_seconds": number / 25,
        "square": (0.0, 0.0, 8.0, 8.0),
        "sharpness": 2.5,
        "image_size_bytes": len(image),
        "image": image,
    }
    return CropRow(**{**dict.fromkeys(COLUMNS.names), **known})


def write_store(folder: Path, rows: Sequence[CropRow], **changes: Any) -> Path:
    """Write a crop store of rows in order of video; `changes` are those of `INFO`."""
    videos = {name: tuple(crops) for name, crops in groupby(rows, key=lambda row: row.video_id)}
    info = replace(INFO, **{"manifest_rows": len(videos), **changes})
    with open_for_writing(folder, info) as store:
        for name, crops in videos.items():
            first = crops[0]
            line = VideoCoverage(
                name, first.label, first.method, first.split, first.compression, "done", None, None,
                crops=len(crops), tracks_found=1, tracks_kept=1, seconds_analysed=1.0,
                work_seconds=0.1, target=first.target, source=first.source, fold=first.fold,
            )  # fmt: skip
            store.add(VideoCrops(line, crops))
    return folder
