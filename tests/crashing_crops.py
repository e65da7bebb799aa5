"""A cropper that kills its process, importable by a worker process."""

from __future__ import annotations

import os
import signal

from unmask.crops.extraction import Cropper
from unmask.crops.rows import VideoCrops
from unmask.datasets.manifest import VideoRecord

_CROP = Cropper.crop


def dies_on_broken(self: Cropper, record: VideoRecord) -> VideoCrops:
    if record.id == "real/broken.mp4":
        os.kill(os.getpid(), signal.SIGKILL)
    return _CROP(self, record)
