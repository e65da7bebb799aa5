"""Rows of a crop store without any footage behind them."""

from __future__ import annotations

from unmask.crops.rows import COLUMNS, CropRow, StoreInfo

INFO = StoreInfo("toy", "invented", None, False, None, "ab" * 32, 9, {"size_px": 8}, {"av": "1"})


def crop_row(name: str, number: int, image: bytes = b"picture") -> CropRow:
    known = {
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
