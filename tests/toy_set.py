"""A data set of invented footage, one row of each kind, for the tests of crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clips import write_clip
from unmask.datasets.manifest import Manifest, ManifestInfo, VideoRecord
from unmask.datasets.synth.footage import (
    forge,
    talk,
    write_frames,
    write_mask_video,
    write_picture,
    write_video,
)

SIZE = (160, 120)
SECONDS = 0.4


def manifest_of(root: Path, records: list[VideoRecord], **info: object) -> Manifest:
    described = ManifestInfo("toy", str(root), "invented", **info)  # type: ignore[arg-type]
    return Manifest(described, tuple(sorted(records, key=lambda record: record.id)))


def record(id_: str, label: str = "real", **more: object) -> VideoRecord:
    return VideoRecord(id_, "toy", label, **more)  # type: ignore[arg-type]


def toy_set(root: Path) -> Manifest:
    """Write reals, fakes with and without masks and bystanders, a blank, a broken, frames, a crop.

    In `pair*` the left face is forged, the right one is not.
    """
    for folder in ("real", "fake", "masks"):
        (root / folder).mkdir(parents=True)
    real = talk(0, seconds=SECONDS, size=SIZE)
    beside = talk(1, seconds=SECONDS, size=SIZE)
    fake, mask = forge(real, 2, method="swap")
    write_video(root / "real/a.mp4", real)
    write_video(root / "fake/a_c.mp4", fake)
    write_mask_video(root / "masks/a_c.mp4", mask)
    write_video(root / "fake/pair.mp4", np.concatenate([fake, beside], axis=2))
    write_mask_video(root / "masks/pair.mp4", np.concatenate([mask, np.zeros_like(mask)], axis=2))
    write_clip(root / "real/blank.mp4", frames=5)
    (root / "real/broken.mp4").write_bytes(b"not a video")
    write_frames(root / "frames/a", real[:4])
    write_picture(root / "crop.png", real[0])
    return manifest_of(
        root,
        [
            record("real/a.mp4", split="train", target="toy/a", identities=("toy/0",)),
            record(
                "fake/a_c.mp4",
                "fake",
                method="Swap",
                split="train",
                target="toy/a",
                source="toy/c",
                mask="masks/a_c.mp4",
            ),
            record("fake/pair.mp4", "fake", method="Swap", split="test", mask="masks/pair.mp4"),
            record("real/blank.mp4", split="test"),
            record("real/broken.mp4", split="test"),
            record("frames/a", split="validation", kind="frames"),
            record("crop.png", "fake", method="Other", split="validation", kind="crop"),
        ],
    )
