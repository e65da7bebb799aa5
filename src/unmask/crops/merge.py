"""One crop store of several: of shards that were cut by several runs, on one machine or many."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from unmask.core.errors import ManifestError
from unmask.crops.pipeline import CropSummary, summarise
from unmask.crops.store import CropStore, open_for_writing
from unmask.system.files import write_whole


def merge_stores(stores: Sequence[str | Path], folder: str | Path) -> CropSummary:
    """Copy the shards of stores of one manifest, cut with the same settings, into a new store.

    A merge that was stopped goes on: shards are copied whole, and none twice.

    Args:
        stores: that `unmask data crops --shard` wrote.
        folder: of the new store, or of one that a merge began.

    Raises:
        ManifestError: a video is in two of them, they are of different manifests or settings, one
            is not finished or damaged, or the folder holds something else.
    """
    opened = [CropStore(store) for store in stores]
    _check_disjoint(opened)
    with open_for_writing(folder, opened[0].info) as target:
        _refuse_other_videos(target, opened)
        present = {path.stem.partition("-")[2] for path in target.shards()}
        for store in opened:
            with open_for_writing(store.folder, opened[0].info):
                pass  # seals what is pending; refuses other settings and another manifest
            if damaged := store.damaged():
                raise ManifestError(
                    f"{str(damaged[0])!r} is damaged", hint="remove it and cut its videos again"
                )
            for path in store.shards():
                content = path.stem.partition("-")[2]
                if content not in present:
                    present.add(content)
                    place = target.folder / "shards" / f"{len(present) - 1:05d}-{content}.parquet"
                    write_whole(place, partial(shutil.copyfile, path))
    return summarise(CropStore(folder))


def _check_disjoint(stores: Sequence[CropStore]) -> None:
    place: dict[str, CropStore] = {}
    for store in stores:
        for video in store.coverage():
            if place.setdefault(video, store) is not store:
                raise ManifestError(
                    f"{video!r} is in {str(place[video].folder)!r} and in {str(store.folder)!r}",
                    hint="merge stores of other videos, as `unmask data crops --shard 1/2` and "
                    "`--shard 2/2` cut them",
                )


def _refuse_other_videos(target: CropStore, stores: Sequence[CropStore]) -> None:
    known = {video for store in stores for video in store.coverage()}
    if others := sorted(target.coverage().keys() - known):
        raise ManifestError(
            f"{str(target.folder)!r} holds {others[0]!r}, which is in none of the stores",
            hint="name a new folder",
        )
