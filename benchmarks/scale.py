"""What data sets of full size cost in memory and time, on made rows.

    python -m benchmarks.scale manifest --videos 120000
    python -m benchmarks.scale crops --crops 1000000

`manifest` writes, reads, splits and audits a manifest of many videos (rows alone, no files);
`crops` writes a crop store of many tiny pictures and opens it for scoring and for training. Each
step runs in a process of its own, whose peak memory is printed with its time.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from unmask.crops.reading import CropDataset
from unmask.crops.rows import CropRow, StoreInfo, VideoCoverage, VideoCrops
from unmask.crops.store import open_for_writing
from unmask.datasets.audit import audit
from unmask.datasets.manifest import (
    Manifest,
    ManifestInfo,
    VideoRecord,
    read_manifest,
    write_manifest,
)
from unmask.datasets.splits import split

CROPS_OF_A_VIDEO = 40
INFO = ManifestInfo(dataset="made", root="/nowhere", licence="none")


def make_records(videos: int) -> tuple[VideoRecord, ...]:
    """Return a real and five fakes of it in turn, persons shared by ten originals."""
    records = []
    for number in range(videos):
        original, fake = divmod(number, 6)
        target, other = f"clip{original:06}", f"clip{original // 10 * 10:06}"
        records.append(
            VideoRecord(
                id=f"{'fake' if fake else 'real'}/{original:06}_{fake}.mp4",
                dataset="made",
                label="fake" if fake else "real",
                kind="video",
                method=f"way{fake}" if fake else None,
                target=target,
                source=other if fake else None,
                identities=(f"person{original // 10:05}",),
            )
        )
    return tuple(records)


def write_rows(folder: Path, count: int) -> None:
    """Write a manifest."""
    records = sorted(make_records(count), key=lambda record: record.id)
    write_manifest(Manifest(INFO, tuple(records)), folder / "manifest.parquet")


def split_rows(folder: Path, _: int) -> None:
    """Read and split it."""
    manifest = read_manifest(folder / "manifest.parquet")
    write_manifest(split(manifest, "identity"), folder / "split.parquet")


def audit_rows(folder: Path, _: int) -> None:
    """Look for leaks, by rows."""
    result = audit({"made": read_manifest(folder / "split.parquet")}, frames_per_row=0)
    print(f"    leaks: {sum(bool(f.count) for f in result.findings)}", flush=True)


def write_store(folder: Path, count: int) -> None:
    """Write a crop store whose pictures are a few bytes."""
    info = StoreInfo("made", "none", "identity", False, None, "0" * 64, count, {}, {})
    picture = b"\0" * 32
    with open_for_writing(folder / "crops", info, shard_bytes=2**24) as store:
        for record in make_records(count // CROPS_OF_A_VIDEO):
            done = replace(record, split="train" if hash(record.target) % 5 else "validation")
            rows = tuple(
                CropRow(
                    crop_id=f"{done.id}#t1f{n}", video_id=done.id, dataset="made",
                    label=done.label, method=done.method, target=done.target, source=done.source,
                    identities=done.identities, part=None, split=done.split, fold=None,
                    compression=None, protocol="identity", leaks=False, kind="video", track=1,
                    track_frames=40, frame_index=n, pts_seconds=n / 25, square=(0, 0, 9, 9),
                    box=(1, 1, 8, 8), landmarks=(1.0,) * 10, face_px=7.0, difference=1.0,
                    sharpness=9.0, forged_face="only-face" if done.label == "fake" else None,
                    image_size_bytes=len(picture), mask_size_bytes=None, image=picture, mask=None,
                )
                for n in range(CROPS_OF_A_VIDEO)
            )  # fmt: skip
            store.add(VideoCrops(VideoCoverage.of(done, "done", crops=len(rows)), rows))


def open_store(folder: Path, _: int) -> None:
    """Open it for scoring, and read a few crops' facts."""
    crops = CropDataset(folder / "crops", split="train")
    crops.encoded(int(np.random.default_rng(0).integers(len(crops))))


def open_training(folder: Path, _: int) -> None:
    """Open it for training."""
    from unmask.training.crop_table import read_crops

    read_crops([folder / "crops"])


STEPS: dict[str, tuple[Callable[[Path, int], None], ...]] = {
    "manifest": (write_rows, split_rows, audit_rows),
    "crops": (write_store, open_store, open_training),
}


def main() -> None:
    """Run each step in a process of its own, or one step in this one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=STEPS)
    parser.add_argument("--videos", type=int, default=120_000)
    parser.add_argument("--crops", type=int, default=1_000_000)
    parser.add_argument("--step", type=int)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    count = options.videos if options.what == "manifest" else options.crops
    if options.step is not None:
        step = STEPS[options.what][options.step]
        began = time.process_time()
        step(options.folder, count)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{step.__doc__} {time.process_time() - began:.0f} s of a core, {peak:.2f} GiB")
        return
    with tempfile.TemporaryDirectory() as folder:
        for number in range(len(STEPS[options.what])):
            words = [options.what, "--step", str(number), "--folder", folder]
            size = ["--videos", str(options.videos), "--crops", str(options.crops)]
            subprocess.run([sys.executable, "-m", "benchmarks.scale", *words, *size], check=True)


if __name__ == "__main__":
    main()
