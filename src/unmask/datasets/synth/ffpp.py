"""A toy FaceForensics++: six originals in three pairs, a pair per official split."""

from __future__ import annotations

import json
from pathlib import Path

from unmask.datasets.synth.studio import DISTORTED_CRF, Studio

PAIRS = {"train": ("000", "003"), "val": ("001", "004"), "test": ("002", "005")}
WAYS = {"Deepfakes": "soft", "Face2Face": "mouth", "FaceSwap": "sharp", "NeuralTextures": "mouth"}
FAKES = (
    ("Deepfakes", "000", "003"),
    ("Deepfakes", "003", "000"),
    ("Face2Face", "000", "003"),
    ("FaceSwap", "001", "004"),
    ("NeuralTextures", "004", "001"),
    ("Deepfakes", "002", "005"),
    ("FaceSwap", "005", "002"),
)
ACTOR = 11
"""Person who plays actor 01; actor 02 is the next."""
SHORT_MASK_FRAMES = 30
"""Frames of the actors' mask, fewer than the video has."""


def make(root: Path, seed: int) -> None:
    """Fill a folder with the toy data set."""
    studio = Studio(root, seed)
    for split, pair in PAIRS.items():
        studio.text(f"splits/{split}.json", json.dumps([pair], indent=2))
        for number in pair:
            studio.real(_original("youtube", "c23", number), int(number))
    for method, target, source in FAKES:
        _fake(studio, method, target, source)
    studio.real(_original("youtube", "c40", "000"), 0, crf=DISTORTED_CRF)
    _actors(studio)


def _original(group: str, compression: str, stem: str) -> str:
    return f"original_sequences/{group}/{compression}/videos/{stem}.mp4"


def _fake(studio: Studio, method: str, target: str, source: str) -> None:
    folder, name = f"manipulated_sequences/{method}", f"{target}_{source}.mp4"
    studio.fake(
        f"{folder}/c23/videos/{name}",
        int(target),
        int(source),
        way=WAYS[method],
        mask=f"{folder}/masks/videos/{name}",
    )
    if (method, target) == ("Deepfakes", "000"):
        compressed = f"{folder}/c40/videos/{name}"
        studio.fake(compressed, int(target), int(source), way=WAYS[method], crf=DISTORTED_CRF)


def _actors(studio: Studio) -> None:
    studio.real(_original("actors", "c23", "01__kitchen_pan"), ACTOR)
    folder, name = "manipulated_sequences/DeepFakeDetection", "01_02__kitchen_pan__ABCD1234.mp4"
    studio.fake(
        f"{folder}/c23/videos/{name}",
        ACTOR,
        ACTOR + 1,
        mask=f"{folder}/masks/videos/{name}",
        mask_frames=SHORT_MASK_FRAMES,
    )
