"""A tiny DF40: the structures of its training and testing parts, and the originals, as crops."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.footage import face_crops, forge, talk, write_frames, write_picture
from unmask.datasets.synth.talking import Frames

CROP_PX = 96
PAIRS = (("001", "870"), ("870", "001"))
"""Clips of FaceForensics++, persons 0 and 1."""
CELEBRITIES = ("id0_id1_0000", "id1_id0_0000")
_SECONDS = 0.4


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    _originals(root, seed)
    for person in range(2):
        pair = "_".join(PAIRS[person])
        swap, soft = (_forged(person, seed, way) for way in ("swap", "soft"))
        write_frames(root / "DF40_train/simswap/frames" / pair, swap)
        write_frames(root / "DF40/inswap/ff/frames" / pair, soft)
        celebrity = _forged(person + 2, seed, "swap")
        write_frames(root / "DF40/inswap/cdf/frames" / CELEBRITIES[person], celebrity)
        synthesis = face_crops(talk(person + 12, take=seed, seconds=_SECONDS), CROP_PX)
        write_frames(root / "DF40/StyleGAN2/ff" / f"{person:03d}", synthesis)
        for label, frames in (
            ("real", face_crops(talk(person + 4, take=seed, seconds=_SECONDS), CROP_PX)),
            ("fake", _forged(person + 4, seed, "sharp")),
        ):
            write_frames(root / "DF40/deepfacelab" / label / "frames" / f"{person:04d}", frames)
            write_picture(root / "DF40/MidJourney" / label / f"{person:04d}.png", frames[-1])


def _originals(root: Path, seed: int) -> None:
    youtube = root / "FaceForensics++/original_sequences/youtube/c23/frames"
    for person, name in enumerate(("001", "870")):
        write_frames(youtube / name, face_crops(_clip(person, seed), CROP_PX))
    for person, name in enumerate(("id0_0000", "id1_0000")):
        crops = face_crops(_clip(person + 2, seed), CROP_PX)
        write_frames(root / "Celeb-DF-v2/Celeb-real/frames" / name, crops)


def _clip(person: int, seed: int) -> Frames:
    return talk(person, take=seed, seconds=_SECONDS)


def _forged(person: int, seed: int, way: str) -> Frames:
    frames, _ = forge(_clip(person, seed), person ^ 1, method=way)
    return face_crops(frames, CROP_PX)
