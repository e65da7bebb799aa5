"""A tiny WildDeepfake: two archives of each side, unpacked, with two sequences of crops each."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.footage import face_crops, forge, talk, write_picture

SIDES = ("real_train", "real_test", "fake_train", "fake_test")
CROP_PX = 96
FIRST_FRAME = 96
"""Number of a sequence's first frame in its video: names grow from two digits to three."""


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    person = 0
    for side in SIDES:
        label = side.partition("_")[0]
        for archive in ("1", "2"):
            for sequence in range(2):
                frames = talk(person % 24, take=seed + sequence, seconds=0.4)
                if label == "fake":
                    frames, _ = forge(frames, person % 24 + 3, method="swap")
                folder = root / side / archive / label / str(person * 10 + sequence)
                for number, crop in enumerate(face_crops(frames, CROP_PX), start=FIRST_FRAME):
                    write_picture(folder / f"{number}.png", crop)
            person += 1
