"""Stored crops one by one, before a detector's own cut: for what changes pixels, then scores.

source of crops -> chosen rows -> Picture(crop, cut)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.framing import Crops
from unmask.bundle.manifest import Bundle, View
from unmask.core.errors import InputError
from unmask.crops.record import Crop
from unmask.datasets.manifest import Split
from unmask.evaluation.inference import source_at
from unmask.evaluation.sources import (
    PictureSource,
    StoreSource,
    recut_views,
)
from unmask.evaluation.video_scorer import Pixels

_ROWS_AT_A_TIME = 128


@dataclass(frozen=True, eq=False)
class Picture:
    """One stored crop."""

    crop: Crop
    """As it is stored."""
    views: tuple[View, ...]
    """Those of the detector."""

    def cut(self, pixels: Pixels) -> Crops:
        """Return what each view sees, `(S, S, 3)`, of pixels with the shape of the crop's."""
        return recut_views(replace(self.crop, pixels=pixels), self.views)


@dataclass(frozen=True)
class Pictures:
    """Chosen crops of a source."""

    source: StoreSource | PictureSource
    """Where they are."""
    positions: NDArray[np.int64]
    """`(N,)` ascending, in the order of the source."""

    def __len__(self) -> int:
        """Return how many were chosen."""
        return len(self.positions)

    def __iter__(self) -> Iterator[Picture | None]:
        """Yield them one by one; None for one that cannot be decoded."""
        for crop in self.source.read(self.positions):
            yield None if crop is None else Picture(crop, self.source.bundle.views)


def pictures_at(
    bundle: Bundle,
    path: str | Path,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int = 0,
    threads: int = 2,
) -> Pictures:
    """Open a crop store or a table of pictures and choose from it.

    Args:
        bundle: the detector.
        path: folder of a store, or a Parquet file with name, label and image.
        split: only crops of this split.
        limit: most crops, drawn evenly from reals and fakes; None for all.
        seed: of the draw.
        threads: of the network.

    Raises:
        InputError: it is a manifest of videos.
    """
    source = stored_source(bundle, path, split=split, threads=threads)
    return Pictures(source, drawn_evenly(source.crops.is_fake, limit, seed=seed))


def stored_source(
    bundle: Bundle,
    path: str | Path,
    *,
    split: Split | None = None,
    threads: int = 2,
    masks: bool = False,
) -> StoreSource | PictureSource:
    """Open a crop store or a table of pictures.

    Args:
        bundle: the detector.
        path: folder of a store, or a Parquet file with name, label and image.
        split: only crops of this split.
        threads: of the network.
        masks: whether to read the masks of a store.

    Raises:
        InputError: it is a manifest of videos.
    """
    source = source_at(bundle, path, split=split, threads=threads)
    if isinstance(source, StoreSource):
        return replace(source, masks=masks)
    if not isinstance(source, PictureSource):
        raise InputError(
            f"{str(path)!r} is a manifest of videos, and this takes only crops",
            hint="cut them first with `unmask data crops`",
        )
    return source


def drawn_evenly(
    is_fake: NDArray[np.bool_], limit: int | None, *, seed: int = 0
) -> NDArray[np.int64]:
    """Return positions of at most `limit` rows, as many real as fake where there are enough.

    >>> import numpy as np
    >>> drawn_evenly(np.array([True] * 6 + [False] * 2), 4).tolist()[2:]
    [6, 7]
    """
    if limit is None or limit >= len(is_fake):
        return np.arange(len(is_fake))
    order = np.random.default_rng(seed).permutation(len(is_fake))
    classes = [order[is_fake[order] == label] for label in (False, True)]
    fewer, more = sorted(classes, key=len)
    taken = fewer[: limit // 2]
    return np.sort(np.concatenate([taken, more[: limit - len(taken)]]))
