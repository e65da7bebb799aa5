"""Stored crops one by one, before a detector's own cut: for what changes pixels, then scores.

crop store or table of pictures -> chosen rows -> Picture(pixels, cut, record)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.framing import Crops, split_views
from unmask.bundle.manifest import Bundle, View
from unmask.crops.reading import Crop
from unmask.crops.record import CropRecord
from unmask.datasets.manifest import Split
from unmask.datasets.parquet import CROPS_HINT, batches, read_table
from unmask.errors import InputError
from unmask.evaluation.inference import source_at
from unmask.evaluation.sources import (
    PictureSource,
    StoreSource,
    open_picture,
    recut_views,
)
from unmask.evaluation.video_scorer import Pixels

_ROWS_AT_A_TIME = 128


@dataclass(frozen=True, eq=False)
class Picture:
    """One stored crop."""

    pixels: Pixels
    """`(H, W, 3)` RGB, as stored."""
    cut: Callable[[Pixels], Crops]
    """From pixels of that shape to what each view sees, `(S, S, 3)`."""
    record: CropRecord
    """What is known of it."""


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
        if isinstance(self.source, StoreSource):
            return _read_store(self.source, self.positions)
        return _read_table(self.source, set(self.positions.tolist()))


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
    source = source_at(bundle, path, split=split, threads=threads)
    if not isinstance(source, StoreSource | PictureSource):
        raise InputError(
            f"{str(path)!r} is a manifest of videos, and only crops can be distorted",
            hint="cut them first with `unmask data crops`",
        )
    return Pictures(source, drawn_evenly(_labels(source), limit, seed=seed))


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


def _labels(source: StoreSource | PictureSource) -> NDArray[np.bool_]:
    if isinstance(source, StoreSource):
        return source.crops.is_fake
    names = read_table(source.path, columns=["name"], hint=CROPS_HINT)["name"].to_pylist()
    return np.array([source.records[str(name)].label == "fake" for name in names], dtype=np.bool_)


def _read_store(source: StoreSource, positions: NDArray[np.int64]) -> Iterator[Picture]:
    for position in positions:
        crop = source.crops[int(position)]
        yield Picture(
            crop.pixels,
            cut=partial(_recut, crop, source.bundle.views),
            record=crop,
        )


def _read_table(source: PictureSource, positions: set[int]) -> Iterator[Picture | None]:
    first = 0
    columns = ("name", "image")
    for batch in batches(source.path, columns=columns, rows=_ROWS_AT_A_TIME, hint=CROPS_HINT):
        places = [at for at in range(len(batch)) if first + at in positions]
        first += len(batch)
        for row in batch.take(pa.array(places, pa.int64())).to_pylist():
            picture = open_picture(row["image"])
            if picture is None:
                yield None
                continue
            yield Picture(
                np.asarray(picture),
                cut=partial(_resize, source.bundle.views),
                record=source.records[str(row["name"])],
            )


def _recut(crop: Crop, views: Sequence[View], pixels: Pixels) -> Crops:
    return recut_views(replace(crop, pixels=pixels), views)


def _resize(views: Sequence[View], pixels: Pixels) -> Crops:
    return split_views(Image.fromarray(pixels), views)
