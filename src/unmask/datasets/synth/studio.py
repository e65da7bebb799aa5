"""Films the clips of one toy data set: who, which recording, whose face put in, which file.

A clip or a forgery is made once, however many files show it: its compressions, its copies.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.layouts.layout import INVENTED_FILE
from unmask.datasets.synth.footage import forge, talk, write_mask_video, write_video

Frames = NDArray[np.uint8]

SECONDS = 1.5
"""Length of each clip."""
PERSONS = 64
"""Persons of one seed; another seed has others."""
DISTORTED_CRF = 40
"""Rate factor of strongly compressed versions."""


class Studio:
    """Films into one folder.

    Args:
        root: the data set's folder.
        seed: another seed has other persons, who move otherwise.
        seconds: length of each clip.
    """

    def __init__(self, root: Path, seed: int, *, seconds: float = SECONDS) -> None:
        if not 0 <= seed < 2**16:
            raise ValueError(f"seed must be from 0 to 65535, got {seed}")
        self.root = root
        self._seed = seed
        self._seconds = seconds

    def real(self, path: str, person: int, *, take: int = 0, crf: int = 23) -> None:
        """Write a recording of a person."""
        write_video(self.root / path, _film(self._who(person), take, self._seconds), crf=crf)

    def fake(
        self,
        path: str,
        person: int,
        source: int,
        *,
        way: str = "swap",
        take: int = 0,
        crf: int = 23,
        mask: str | None = None,
        mask_frames: int | None = None,
    ) -> None:
        """Write a recording of a person with the face of another, and its mask.

        Args:
            path: file below the data set's folder.
            person: who was recorded.
            source: whose face is put in.
            way: how, one of `forgery.METHODS`.
            take: number of the recording.
            crf: rate factor.
            mask: file of the mask; None writes none.
            mask_frames: frames of the mask; None for as many as the video has.
        """
        film = (self._who(person), take, self._seconds)
        frames, masks = _forge(film, self._who(source), way)
        write_video(self.root / path, frames, crf=crf)
        if mask is not None:
            write_mask_video(self.root / mask, masks[:mask_frames])

    def text(self, path: str, content: str) -> None:
        """Write a list or a metadata file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def mark(self, size: str) -> None:
        """Note in the folder that it is invented, so that nobody misses the rest of a data set."""
        self.text(INVENTED_FILE, json.dumps({"size": size, "seed": self._seed}) + "\n")

    def _who(self, person: int) -> int:
        return self._seed * PERSONS + person


@lru_cache(maxsize=32)
def _film(person: int, take: int, seconds: float) -> Frames:
    frames = talk(person, take=take, seconds=seconds)
    frames.flags.writeable = False
    return frames


@lru_cache(maxsize=32)
def _forge(film: tuple[int, int, float], source: int, way: str) -> tuple[Frames, Frames]:
    return forge(_film(*film), source, method=way)
