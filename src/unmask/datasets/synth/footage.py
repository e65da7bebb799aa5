"""Invented footage in one place: film a person, forge it, write it. See the modules for how."""

from __future__ import annotations

from unmask.datasets.synth.forgery import METHODS, forge
from unmask.datasets.synth.landmarks import face_crops
from unmask.datasets.synth.media_writer import (
    write_frames,
    write_mask_video,
    write_picture,
    write_video,
)
from unmask.datasets.synth.talking_head import talk

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
