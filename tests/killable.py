"""A run of the crop store in a process of its own that notes each attempt at a video in the
file that the environment variable ATTEMPTS names.

    python killable.py MANIFEST STORE WORKERS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from unmask.core.settings import ScanSettings
from unmask.crops.extraction import Cropper, CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.datasets.manifest import VideoRecord, read_manifest
from unmask.system.engines import Engine

SETTINGS = CropSettings(scan=ScanSettings(budget=2), size_px=64)
SHARD_BYTES = 60_000
_READS = Cropper.reads


def noted(self: Cropper, record: VideoRecord) -> list[Path]:
    """Note the attempt, here and in worker processes, before their walls: they run this too."""
    with Path(os.environ["ATTEMPTS"]).open("a") as log:
        log.write(f"{record.id}\n")
    return _READS(self, record)


def main(manifest: str, store: str, workers: str) -> None:
    crop_videos(
        read_manifest(manifest),
        store,
        SETTINGS,
        engine=Engine(workers=int(workers)),
        shard_bytes=SHARD_BYTES,
    )


if "ATTEMPTS" in os.environ:
    Cropper.reads = noted  # type: ignore[method-assign]  # it counts, and calls the other
if __name__ == "__main__":
    main(*sys.argv[1:])
