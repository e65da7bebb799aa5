"""A toy FaceForensics++: six originals in three pairs, a pair per official split.

Larger ones hold enough clips for every step from the folder to a calibrated detector.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Size:
    """How much of a larger set is filmed."""

    pairs: dict[str, int]
    """Pairs of originals of each official list."""
    forged: dict[str, int]
    """Fakes of each official list, at most two of a pair."""
    seconds: float
    """Length of each clip."""


SIZES = {
    # 100 genuine validation clips are what calibration needs
    "small": Size({"train": 20, "val": 50, "test": 10}, {"train": 40, "val": 24, "test": 20}, 0.5),
    "medium": Size(
        {"train": 60, "val": 60, "test": 60}, {"train": 120, "val": 120, "test": 120}, 1.5
    ),
}
"""Sizes by name."""
_TAKES = 8
"""Recordings of one person; the persons of the official lists differ."""


def make_sized(root: Path, seed: int, size: str) -> None:
    """Fill a folder with a larger set, c23 only, without actors.

    Args:
        root: an empty folder.
        seed: another seed gives other recordings.
        size: of `SIZES`.
    """
    parts = SIZES[size]
    studio = Studio(root, seed, seconds=parts.seconds)
    person = clip = 0
    for split, count in parts.pairs.items():
        clips = {f"{clip + n:03d}": (person + n // _TAKES, n % _TAKES) for n in range(2 * count)}
        names = list(clips)
        pairs = list(zip(names[::2], names[1::2], strict=True))
        studio.text(f"splits/{split}.json", json.dumps(pairs))
        for name, (who, take) in clips.items():
            studio.real(_original("youtube", "c23", name), who, take=take)
        for method, (target, source) in _swaps(pairs, parts.forged[split]):
            who, take = clips[target]
            _film_fake(studio, method, (target, source), (who, clips[source][0] + 1), take=take)
        clip += 2 * count
        person += 1 + (2 * count - 1) // _TAKES
    studio.mark(size)


def _swaps(pairs: list[tuple[str, str]], count: int) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield fakes, the methods in turn."""
    both = [swap for a, b in pairs for swap in ((a, b), (b, a))]
    for number, swap in enumerate(both[:count]):
        yield tuple(WAYS)[number % len(WAYS)], swap


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


def _film_fake(
    studio: Studio,
    method: str,
    names: tuple[str, str],
    persons: tuple[int, int],
    *,
    take: int = 0,
) -> None:
    """Write a fake with its mask; names and persons are those of target and source."""
    folder, name = f"manipulated_sequences/{method}", f"{names[0]}_{names[1]}.mp4"
    studio.fake(
        f"{folder}/c23/videos/{name}",
        *persons,
        way=WAYS[method],
        take=take,
        mask=f"{folder}/masks/videos/{name}",
    )


def _fake(studio: Studio, method: str, target: str, source: str) -> None:
    folder, name = f"manipulated_sequences/{method}", f"{target}_{source}.mp4"
    _film_fake(studio, method, (target, source), (int(target), int(source)))
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
