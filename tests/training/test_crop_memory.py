"""Memory of the crops that training learns from: a few bytes each, and no object."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from benchmarks.scale_material import crop_table, tiny_png

from store_rows import INFO
from unmask.crops.rows import VideoCoverage
from unmask.crops.store import open_for_writing
from unmask.datasets.manifest import VideoRecord

VIDEOS, CROPS_OF_A_VIDEO, VIDEOS_IN_SHARD = 4000, 50, 200
BYTES_PER_CROP = 400
"""Bound of what they add to the process; as objects they take three times as much."""
PROGRAM = """
import sys
from pathlib import Path
from unmask.crops.reading import CropDataset
from unmask.training.batches import find_classes
from unmask.training.crop_table import read_crops
def peak():  # what getrusage tells begins with the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
read_crops([sys.argv[1]])  # what is loaded on the way is loaded now
before = peak()
crops = read_crops([sys.argv[2]])
kept = list(crops.keys) if sys.argv[3] == "objects" else find_classes(crops)
print((peak() - before) / len(crops))
"""


def write_crops(folder: Path, videos: int) -> Path:
    """Write a store of a real and three fakes of each original in turn."""
    pictures = pa.array([tiny_png(0)], pa.binary())
    with open_for_writing(folder, INFO) as store:
        for first in range(0, videos, VIDEOS_IN_SHARD):
            records = tuple(map(record, range(first, first + VIDEOS_IN_SHARD)))
            lines = [VideoCoverage.of(r, "done", crops=CROPS_OF_A_VIDEO) for r in records]
            store.add_shard(crop_table(records, CROPS_OF_A_VIDEO, pictures, protocol=None), lines)
    return folder


def record(number: int) -> VideoRecord:
    original, fake = divmod(number, 4)
    return VideoRecord(
        id=f"clips/{number:06}.mp4",
        dataset="made",
        label="fake" if fake else "real",
        target=f"made/clips/{original:06}",
        identities=(f"person{original // 10}",),
    )


@pytest.mark.system
def test_crops_to_train_with_take_a_few_bytes_each(tmp_path: Path) -> None:
    little = write_crops(tmp_path / "little", VIDEOS_IN_SHARD)
    many = write_crops(tmp_path / "many", VIDEOS)

    def bytes_per_crop(kept: str) -> float:
        command = [sys.executable, "-c", PROGRAM, str(little), str(many), kept]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)

    assert bytes_per_crop("columns") < BYTES_PER_CROP
    assert bytes_per_crop("objects") > BYTES_PER_CROP  # the control: each crop as an object
