"""Stored crops before a detector's own cut, one by one or as clips: for what changes their pixels.

source of crops -> chosen rows -> StoredFace(record, crops): as the detector takes them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.framing import Crops, batch
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import InputError, ManifestError
from unmask.crops.record import Crop, CropRecord
from unmask.datasets.manifest import Split
from unmask.evaluation.inference import source_at
from unmask.evaluation.sources import (
    PictureSource,
    StoreSource,
    recut_views,
)
from unmask.evaluation.stored_clips import ScoredClip, clips_of_video
from unmask.evaluation.video_scorer import Pixels


def unchanged(pixels: Pixels) -> Pixels:
    """Return pixels as they are."""
    return pixels


@dataclass(frozen=True, eq=False)
class StoredFace:
    """What a detector judges as one: a stored crop, or a clip of several."""

    record: CropRecord
    """What is known of it; of a clip, of its first crop."""
    crops: tuple[Crop, ...]
    """As they are stored: one, or those of the clip in order of time."""
    bundle: Bundle
    """The detector."""

    def inputs(self, change: Callable[[Pixels], Pixels] = unchanged) -> Crops:
        """Return what each view sees after a change of pixels, `(S, S, 3)`; of a clip `(T, ...)`.

        Args:
            change: gives pixels of the same shape; all crops of a clip go through it.
        """
        cuts = [self._cut(crop, change(crop.pixels)) for crop in self.crops]
        return cuts[0] if self.bundle.manifest.clip is None else batch(cuts)

    def masks(self) -> Pixels | None:
        """Return what was manipulated as the first view sees it, `(S, S)`; of a clip `(T, S, S)`.

        None where it is not known.
        """
        masks = [self._cut(crop, crop.mask)[0] for crop in self.crops if crop.mask is not None]
        if len(masks) < len(self.crops):
            return None
        return masks[0] if self.bundle.manifest.clip is None else np.stack(masks)

    def _cut(self, crop: Crop, pixels: Pixels) -> Crops:
        return recut_views(replace(crop, pixels=pixels), self.bundle.views)


class StoredFaces(Protocol):
    """Chosen faces of a source."""

    @property
    def source(self) -> StoreSource | PictureSource:
        """Where they are."""

    def __len__(self) -> int:
        """Return how many were chosen."""

    def __iter__(self) -> Iterator[StoredFace | None]:
        """Yield them one by one; None for one that cannot be decoded."""


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

    def __iter__(self) -> Iterator[StoredFace | None]:
        """Yield them one by one; None for one that cannot be decoded."""
        bundle = self.source.bundle
        for crop in self.source.read(self.positions):
            yield None if crop is None else StoredFace(crop.record, (crop,), bundle)


@dataclass(frozen=True)
class Clips:
    """Clips of a store's chosen videos."""

    source: StoreSource
    """Where they are."""
    clips: tuple[ScoredClip, ...]
    """With the positions of their crops in the store."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.clips)

    def __iter__(self) -> Iterator[StoredFace]:
        """Yield them one by one."""
        for clip in self.clips:
            crops = tuple(self.source.crops[position] for position in clip.positions)
            yield StoredFace(clip.row.crop, crops, self.source.bundle)


def faces_at(
    bundle: Bundle,
    path: str | Path,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int = 0,
    threads: int = 2,
    masks: bool = False,
) -> StoredFaces:
    """Open a crop store or a table of pictures and choose from it what the detector judges.

    Args:
        bundle: the detector.
        path: folder of a store, or a Parquet file with name, label and image.
        split: only crops of this split.
        limit: most crops, drawn evenly from reals and fakes; None for all. Of clips, so many videos
            as have about that many crops.
        seed: of the draw.
        threads: of the network.
        masks: whether to read the masks of a store.

    Raises:
        InputError: it is a manifest of videos, or a table and the detector judges clips.
        ManifestError: no video of the store has a clip.
    """
    source = stored_source(bundle, path, split=split, threads=threads, masks=masks)
    if bundle.manifest.clip is None:
        return Pictures(source, drawn_evenly(source.crops.is_fake, limit, seed=seed))
    if not isinstance(source, StoreSource):
        raise InputError(
            f"the detector {bundle.manifest.name!r} judges clips, and {str(path)!r} does not say "
            "when in a video its crops were cut",
            hint="cut a crop store with `unmask data crops`",
        )
    return _clips(source, limit, seed)


def _clips(source: StoreSource, limit: int | None, seed: int) -> Clips:
    """Return the clips of videos, drawn evenly from reals and fakes."""
    network = Network(source.bundle, threads=source.threads)
    videos = list(source.crops.positions_by_video().values())
    labels = source.crops.is_fake[[places[0] for places in videos]]
    most = None if limit is None else ceil(limit * len(videos) / len(source.crops))
    clips: list[ScoredClip] = []
    for number in drawn_evenly(labels, most, seed=seed):
        places = videos[number]
        own, _ = clips_of_video(network, source.bundle, [source.crops[at] for at in places])
        clips += [replace(clip, positions=places[clip.positions]) for clip in own]
    if not clips:
        raise ManifestError(
            f"no video of {str(source.folder)!r} has a clip that the detector can judge",
            hint="cut more crops with `unmask data crops --max-key-frames`; `unmask predict` says "
            "what each video lacks",
        )
    return Clips(source, tuple(clips))


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
