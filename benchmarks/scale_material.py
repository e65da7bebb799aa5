"""Made data sets of full size: rows and tiny pictures, see `benchmarks.scale`.

Nothing in them is real. A video of each original and five fakes of it; ten originals share a
person. Built in Arrow, as rows made one by one would take longer than what is measured.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.manifest import load_bundle
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import store_info
from unmask.crops.rows import COLUMNS, VideoCoverage
from unmask.crops.store import open_for_writing
from unmask.datasets.manifest import VideoRecord, read_manifest, write_manifest
from unmask.evaluation import predictions
from unmask.evaluation.inference import make_info, source_at

FAKES = 5
PERSONS_EVERY = 10
CROP_PX = 8
VIDEOS_IN_SHARD = 3000
_PICTURES = 64


def write_clips(folder: Path, videos: int) -> Path:
    """Write files of one byte and the table that lists them; return the table."""
    numbers = np.arange(videos)
    original, fake = np.divmod(numbers, FAKES + 1)
    paths = [path_of(int(o), int(f)) for o, f in zip(original, fake, strict=True)]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"\0")
    columns = {
        "path": paths,
        "label": ["fake" if f else "real" for f in fake],
        "method": [f"way{f}" if f else None for f in fake],
        "target": [path_of(int(o), 0) for o in original],
        "source": [
            path_of(int(o) // PERSONS_EVERY * PERSONS_EVERY, 0) if f else None
            for o, f in zip(original, fake, strict=True)
        ],
        "identity": [f"person{o // PERSONS_EVERY:05}" for o in original],
    }
    table = folder / "clips.parquet"
    pq.write_table(pa.table(columns), table)
    return table


def path_of(original: int, fake: int) -> str:
    """Return the path of a clip below the data set's folder."""
    side = f"fake/way{fake}" if fake else "real"
    return f"{side}/{original // 1000:03}/{original:06}_{fake}.mp4"


def write_store(manifest: Path, folder: Path, crops_of_video: int) -> None:
    """Write the crop store of a manifest: as many crops of each video."""
    rows = read_manifest(manifest)
    info = store_info(rows, CropSettings())
    pictures = pa.array([tiny_png(n) for n in range(_PICTURES)], pa.binary())
    with open_for_writing(folder, info) as store:
        for first in range(0, len(rows), VIDEOS_IN_SHARD):
            records = rows.records[first : first + VIDEOS_IN_SHARD]
            table = crop_table(records, crops_of_video, pictures, protocol=info.protocol)
            lines = [
                VideoCoverage.of(r, "done", crops=crops_of_video, tracks_found=1, tracks_kept=1)
                for r in records
            ]
            store.add_shard(table, lines)


def write_small(manifest: Path, out: Path) -> Path:
    """Write a manifest of a few hundred videos, all to validate on; return its path."""
    rows = read_manifest(manifest)
    few = [replace(record, split="validation") for record in rows.records[:: len(rows) // 300 or 1]]
    write_manifest(rows.with_records(few), out)
    return out


def tiny_png(seed: int) -> bytes:
    """Return a picture of about 200 bytes."""
    pixels = np.random.default_rng(seed).integers(0, 255, (CROP_PX, CROP_PX, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def crop_table(
    records: tuple[VideoRecord, ...], each: int, pictures: pa.Array, *, protocol: str | None
) -> pa.Table:
    """Return the crops of videos as a table of the store."""
    count = len(records) * each
    video = pa.array(np.repeat(np.arange(len(records)), each))
    frame = np.tile(np.arange(each) * 7, len(records))
    rng = np.random.default_rng(len(records))
    chosen = pictures.take(pa.array(rng.integers(0, len(pictures), count)))
    corner = rng.integers(0, 400, (count, 2))
    ids = pa.array([f"{r.id}#t1f{f * 7}" for r in records for f in range(each)])
    forged = pa.array([None if r.label == "real" else "only-face" for r in records], pa.string())
    of_video = {
        "video_id": [r.id for r in records],
        **{
            name: [getattr(r, name) for r in records]
            for name in ("dataset", "label", "method", "target", "source", "part", "split")
        },
        "identities": [list(r.identities) for r in records],
        "compression": [r.compression for r in records],
        "fold": [r.fold for r in records],
        "kind": [r.kind for r in records],
    }
    columns = {
        **{n: pa.array(v, COLUMNS.field(n).type).take(video) for n, v in of_video.items()},
        "forged_face": forged.take(video),
        "crop_id": ids,
        "protocol": pa.array([protocol]).take(pa.array(np.zeros(count, np.int64))),
        "leaks": np.zeros(count, np.bool_),
        "track": np.ones(count, np.int32),
        "track_frames": np.full(count, each, np.int32),
        "frame_index": frame,
        "pts_seconds": frame / 25,
        "square": _boxes(corner, 240),
        "box": _boxes(corner + 60, 120),
        "landmarks": _lists(rng.uniform(0, 200, (count, 10))),
        "face_px": rng.uniform(60, 300, count).astype(np.float32),
        "difference": rng.uniform(0, 5, count).astype(np.float32),
        "sharpness": rng.uniform(10, 500, count).astype(np.float32),
        "image_size_bytes": pa.compute.binary_length(chosen),
        "mask_size_bytes": pa.nulls(count, pa.int32()),
        "image": chosen,
        "mask": pa.nulls(count, pa.binary()),
    }
    return pa.table([columns[name] for name in COLUMNS.names], schema=COLUMNS)


def _boxes(corner: NDArray[np.int64], side: int) -> pa.ListArray:
    return _lists(np.concatenate([corner, corner + side], axis=1))


def _lists(values: NDArray[np.float64]) -> pa.ListArray:
    ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(ends, pa.array(values.ravel(), pa.float32()))


def write_begun_predictions(detector: Path, store: Path, out: Path, *, left: int) -> None:
    """Write what `predict` leaves when it is stopped before its last videos.

    Args:
        detector: folder of its bundle.
        store: that is scored.
        out: the predictions file that is not there yet.
        left: videos without predictions.
    """
    bundle = load_bundle(detector)
    source = source_at(bundle, store)
    parts = out.with_name(f".{out.name}.parts")
    parts.mkdir()
    info = make_info(bundle, source)
    (parts / "run.json").write_text(info.model_dump_json(exclude={"versions"}), encoding="utf-8")
    kept = set(source.videos[:-left])
    for number, table in enumerate(_scores(store, kept)):
        pq.write_table(table, parts / f"{number:05d}.parquet")


def _scores(store: Path, kept: set[str]) -> Iterator[pa.Table]:
    names = [name for name in predictions.COLUMNS.names if name in COLUMNS.names]
    rng = np.random.default_rng(0)
    for path in sorted((store / "shards").glob("*.parquet")):
        table = pq.read_table(path, columns=names)
        table = table.filter(pa.compute.is_in(table["video_id"], pa.array(sorted(kept))))
        fake = pa.compute.equal(table["label"], "fake").to_numpy()
        columns = {name: table[name] for name in names} | {
            "logit": rng.normal(0, 2, len(table)) + fake,
            "status": pa.array(["done"]).take(pa.array(np.zeros(len(table), np.int64))),
            "reason": pa.nulls(len(table), pa.string()),
        }
        ordered = [columns[name] for name in predictions.COLUMNS.names]
        whole = pa.table(ordered, names=predictions.COLUMNS.names)
        for piece in range(0, len(whole), 2048 * 8):
            yield whole.slice(piece, 2048 * 8).cast(predictions.COLUMNS)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
