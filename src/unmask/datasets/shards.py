"""Shards of a data set's videos: which of several runs, on one machine or many, takes a video.

A video's shard follows from its id alone, so that runs need not know of each other, and stays when
rows are added.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_DIGITS = 15


@dataclass(frozen=True)
class Shard:
    """One of several parts of a data set.

    >>> Shard(1, 1).holds("real/a.mp4")
    True
    """

    number: int
    """Which, from 1."""
    count: int
    """Of how many."""

    def __post_init__(self) -> None:
        """Refuse a shard that there is not."""
        if not 1 <= self.number <= self.count:
            raise ValueError(f"a shard is from 1/{self.count} to {self.count}/{self.count}")

    def __str__(self) -> str:
        """Return it as it is written on the command line."""
        return f"{self.number}/{self.count}"

    def holds(self, video_id: str) -> bool:
        """Tell whether a video belongs to it."""
        digest = hashlib.sha256(video_id.encode()).hexdigest()[:_DIGITS]
        return int(digest, 16) % self.count == self.number - 1


def parse_shard(text: str | None) -> Shard | None:
    """Return the shard that is written as `NUMBER/COUNT`; None where none is.

    Raises:
        ValueError: it is not written so.

    >>> parse_shard("2/8")
    Shard(number=2, count=8)
    """
    if text is None:
        return None
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and int(count) > 0):
        raise ValueError(f"a shard is written NUMBER/COUNT, such as 1/8, got {text!r}")
    return Shard(int(number), int(count))
