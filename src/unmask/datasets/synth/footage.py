"""Invented footage in one place: film a person, forge it, write it. See the modules for how."""

from __future__ import annotations

from unmask.datasets.synth.finding import face_crops
from unmask.datasets.synth.forging import METHODS, forge
from unmask.datasets.synth.talking import talk
from unmask.datasets.synth.writing import (
    write_frames,
    write_mask_video,
    write_picture,
    write_video,
)

__all__ = [
    "METHODS",
    "face_crops",
    "forge",
    "talk",
    "write_frames",
    "write_mask_video",
    "write_picture",
    "write_video",
]
