"""Tiny data sets of one's own: a plain folder, a table, and crops in a Parquet file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from unmask.datasets.synth.footage import (
    face_crops,
    forge,
    talk,
    write_frames,
    write_mask_video,
    write_video,
)
from unmask.datasets.synth.talking_head import Frames

CROP_PX = 112
_CSV_COLUMNS = ("path", "label", "method", "target", "source", "identities", "split", "mask")


def make_folder(root: Path, seed: int) -> None:
    """Fill an empty folder with `real/`, `fake/METHOD/`, and clips as frames."""
    for person in range(4):
        frames = talk(person, take=seed, seconds=1.2)
        write_video(root / "real" / f"clip{person}.mp4", frames)
        for method in ("swap", "mouth"):
            forged, _ = forge(frames, person + 4, method=method)
            write_video(root / "fake" / method / f"clip{person}.mp4", forged)
    frames = talk(8, take=seed, seconds=0.4)
    write_frames(root / "real" / "clip8", frames, ".jpg")
    write_frames(root / "fake" / "swap" / "clip8", forge(frames, 9, method="swap")[0], ".jpg")


def make_table(root: Path, seed: int) -> None:
    """Fill an empty folder with videos, masks and a table of them."""
    rows: list[tuple[str, ...]] = []
    splits = ("train", "train", "train", "val", "test", "test")
    for person, split in enumerate(splits):
        frames = talk(person, take=seed, seconds=1.2)
        real, fake, mask = (
            f"videos/{person}.mp4",
            f"videos/{person}_swapped.mp4",
            f"masks/{person}_swapped.mp4",
        )
        write_video(root / real, frames)
        rows.append((real, "real", "", "", "", f"person{person}", split, ""))
        forged, masks = forge(frames, person + 6, method="swap")
        write_video(root / fake, forged)
        write_mask_video(root / mask, masks)
        persons = f"person{person};person{person + 6}"
        rows.append((fake, "fake", "swap", real, "", persons, split, mask))
    with (root / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_CSV_COLUMNS, *rows])


def make_crops(root: Path, seed: int) -> None:
    """Fill an empty folder with a Parquet file of crops, a real and two fakes of each clip."""
    rows: list[dict[str, object]] = []
    for person in range(6):
        frames = talk(person, take=seed, seconds=0.2)
        name = f"clip{person}"
        for suffix, label, pictures in (
            ("", "real", frames),
            ("swap", "fake", forge(frames, person + 6, method="swap")[0]),
            ("soft", "fake", forge(frames, person + 7, method="soft")[0]),
        ):
            picture = _jpeg(face_crops(pictures[:1], CROP_PX))
            row: dict[str, object] = {
                "name": name + suffix,
                "label": label,
                "original": name,
                "image": picture,
            }
            rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), root / "crops.parquet")


def _jpeg(crops: Frames) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(crops[0]).save(encoded, "JPEG", quality=92)
    return encoded.getvalue()
