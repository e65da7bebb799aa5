"""A tiny DF40: the structures of its training and testing parts, and the originals, as crops."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.footage import face_crops, forge, talk, write_frames, write_picture
from unmask.datasets.synth.talking_head import Frames

CROP_PX = 96
FFPP = ("001", "870", "033", "097")
"""Clips of FaceForensics++, of persons 0 to 3: a pair of its training, a pair of its test list."""
CELEBS = ("id0_0000", "id1_0000")
"""Clips of Celeb-DF, of persons 4 and 5."""
_SECONDS = 0.4


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    _originals(root, seed)
    for first in range(2):
        training, testing, celebrity = first, first + 2, first + 4
        pair = f"{FFPP[training]}_{FFPP[training ^ 1]}"
        swapped = _forge(training, seed, "swap")
        write_frames(root / "DF40_train/simswap/frames" / pair, swapped)
        pair = f"{FFPP[testing]}_{FFPP[testing ^ 1]}"
        soft = _forge(testing, seed, "soft")
        write_frames(root / "DF40/inswap/ff/frames" / pair, soft)
        pair = f"id{first}_id{first ^ 1}_0000"
        swapped = _forge(celebrity, seed, "swap")
        write_frames(root / "DF40/inswap/cdf/frames" / pair, swapped)
        synthesis = face_crops(_clip(first + 12, seed), CROP_PX)
        write_frames(root / "DF40/StyleGAN2/ff" / f"{first:03d}", synthesis)
        _with_reals(root / "DF40", first + 6, seed)


def _with_reals(folder: Path, person: int, seed: int) -> None:
    """Make a clip and a single picture of methods that have reals of their own."""
    for label, frames in (
        ("real", face_crops(_clip(person, seed), CROP_PX)),
        ("fake", _forge(person, seed, "sharp")),
    ):
        write_frames(folder / "deepfacelab" / label / "frames" / f"{person:04d}", frames)
        write_picture(folder / "MidJourney" / label / f"{person:04d}.png", frames[-1])


def _originals(root: Path, seed: int) -> None:
    youtube = root / "FaceForensics++/original_sequences/youtube/c23/frames"
    celebrities = root / "Celeb-DF-v2/Celeb-real/frames"
    folders = [*(youtube / name for name in FFPP), *(celebrities / name for name in CELEBS)]
    for person, folder in enumerate(folders):
        write_frames(folder, face_crops(_clip(person, seed), CROP_PX))


def _clip(person: int, seed: int) -> Frames:
    return talk(person, take=seed, seconds=_SECONDS)


def _forge(person: int, seed: int, way: str) -> Frames:
    frames, _ = forge(_clip(person, seed), person ^ 1, method=way)
    return face_crops(frames, CROP_PX)
