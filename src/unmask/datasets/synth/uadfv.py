"""A tiny UADFV: six videos and a fake of each."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.footage import forge, talk, write_video


def make(root: Path, seed: int) -> None:
    """Fill an empty folder."""
    for number in range(6):
        frames = talk(number, take=seed, seconds=1.2)
        write_video(root / "real" / f"{number:04d}.mp4", frames)
        forged, _ = forge(frames, 11, method="soft")
        write_video(root / "fake" / f"{number:04d}_fake.mp4", forged)
