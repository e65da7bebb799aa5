"""Videos that studies look at, with what is known of them, and their sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.core.errors import InputNotFound, ManifestError
from unmask.crops.rows import leak_in
from unmask.datasets.groups import seeded_order
from unmask.datasets.manifest import read_manifest


@dataclass(frozen=True)
class Film:
    """A video."""

    id: str
    """Its name in its data set."""
    path: Path
    """The file."""
    label: str
    """`real` or `fake`."""
    method: str | None
    """How it was forged."""
    target: str
    """Footage that it is, or was made from: what intervals draw."""
    split: str | None
    """`train` or `test`, where that is marked."""
    compression: str | None = None
    """Its compression version, where the data set has several."""


@dataclass(frozen=True, eq=False)
class Films:
    """Videos of one data set."""

    title: str
    """What they are."""
    licence: str
    """Their terms."""
    films: tuple[Film, ...]
    """In order."""
    leak: str | None = None
    """Why the split that they mark leaks; None where it does not."""

    @property
    def described(self) -> str:
        """What they are, with counts and terms."""
        fakes = sum(film.label == "fake" for film in self.films)
        return (
            f"{self.title}: {len(self.films) - fakes} real and {fakes} fake videos; "
            f"terms: {self.licence}"
        )

    def side(self, *splits: str | None) -> tuple[Film, ...]:
        """Return the films of these splits."""
        return tuple(film for film in self.films if film.split in splits)

    def pairs(self) -> list[tuple[Film, Film]]:
        """Return each fake to be judged with the real film that it was made from.

        That of the fake's own compression, where it is there.
        """
        judged = self.judged()
        real = [film for film in judged if film.label == "real"]
        reals = {film.target: film for film in real}
        alike = {(film.target, film.compression): film for film in real}
        return [
            (alike.get((f.target, f.compression), reals[f.target]), f)
            for f in judged
            if f.label == "fake" and f.target in reals
        ]

    def judged(self) -> tuple[Film, ...]:
        """Return the films that detectors are judged by: those marked test, or all if none is."""
        return self.side("test") or self.films


def read_films(path: Path, *, root: Path | None = None, limit: int | None = None) -> Films:
    """Read a manifest of videos.

    Args:
        path: that `unmask data index` or `split` wrote.
        root: where the data set lies now.
        limit: most videos, evenly spread over the manifest.

    Raises:
        ManifestError: there is no video in it.
        InputNotFound: a video is not where it should be.
    """
    manifest = read_manifest(path)
    films = [
        Film(
            id=record.id,
            path=manifest.path_of(record, root=root),
            label=record.label,
            method=record.method,
            target=record.target or record.id,
            split=record.split,
            compression=record.compression,
        )
        for record in manifest.records
        if record.kind == "video"
    ]
    if not films:
        raise ManifestError(
            f"{str(path)!r} lists no video", hint="index a data set of videos, not of crops"
        )
    missing = [film.path for film in films if not film.path.is_file()]
    if missing:
        raise InputNotFound(
            f"{len(missing)} of {len(films)} videos are not there, the first: {missing[0]}",
            hint="give --root with the folder that the data set lies in now",
        )
    kept = np.unique(
        np.linspace(0, len(films) - 1, min(len(films), limit or len(films))).astype(int)
    )
    info = manifest.info
    return Films(path.name, info.licence, tuple(films[at] for at in kept), leak_in(info))


def part_films(
    films: Sequence[Film], share: float = 0.2
) -> tuple[tuple[Film, ...], tuple[Film, ...]]:
    """Return the films in two parts, the second with about a share of the footage."""
    targets = sorted({film.target for film in films})
    order = seeded_order(targets, np.ones(len(targets), np.int64), seed=0)
    second = {targets[at] for at in order[: max(1, round(share * len(targets)))]}
    return (
        tuple(film for film in films if film.target not in second),
        tuple(film for film in films if film.target in second),
    )
