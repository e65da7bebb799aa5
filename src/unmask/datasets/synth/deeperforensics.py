"""A toy DeeperForensics-1.0, with three originals of the toy FaceForensics++ of the same seed."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets.synth.studio import DISTORTED_CRF, Studio

SWAPS = {"train": ("000", "M101", 31), "val": ("001", "M102", 32), "test": ("002", "W103", 33)}
"""Target, actor, and the person who plays the actor, by list."""


def make(root: Path, seed: int) -> None:
    """Fill a folder with the toy data set."""
    studio = Studio(root, seed)
    for split, (target, actor, player) in SWAPS.items():
        name = f"{target}_{actor}.mp4"
        studio.real(f"original_sequences/youtube/c23/videos/{target}.mp4", int(target))
        studio.fake(f"manipulated_videos/end_to_end/{name}", int(target), player)
        studio.fake(
            f"manipulated_videos/end_to_end_level_5/{name}",
            int(target),
            player,
            crf=DISTORTED_CRF,
        )
        studio.text(f"lists/splits/{split}.txt", f"{name}\n")
    actor, player = SWAPS["train"][1:]
    folder = f"source_videos/{actor}/BlendShape/camera_front"
    studio.real(f"{folder}/{actor}_BlendShape_camera_front.mp4", player)
