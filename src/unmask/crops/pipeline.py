"""All rows of a manifest into a crop store: worker processes cut, this process stores.

A video is stored when its worker hands it over, and only then does the worker get the next one; so
whatever ends this process, at most one video per worker is cut anew by the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from unmask.core.errors import InputNotFound
from unmask.crops.extraction import Cropper, CropSettings
from unmask.crops.rows import StoreInfo, VideoCoverage, VideoCrops, manifest_sha256
from unmask.crops.store import SHARD_BYTES, CropStore, open_for_writing
from unmask.datasets.manifest import Manifest, VideoRecord
from unmask.datasets.shards import Shard
from unmask.faces.detector import create
from unmask.scanner import keyframes
from unmask.system.engines import LOCAL, Engine
from unmask.system.provenance import versions
from unmask.system.workers import Crashed, Duty

Progress = Callable[[int, int, VideoCoverage | None], None]
"""Called with the videos of this run that are finished, their total, and the one that is finished
now; None at the start."""


@dataclass(frozen=True)
class CropSummary:
    """How a store stands after a run."""

    done: int
    """Videos with crops."""
    empty: int
    """Videos without a face."""
    failed: int
    """Videos that could not be read."""
    not_tried: int
    """Rows of the manifest that no run has come to yet."""
    crops: int
    """Crops in the store."""
    shards: int
    """Shards in the store."""

    @property
    def complete(self) -> bool:
        """Tell whether every video that was tried gave crops."""
        return self.empty == self.failed == 0


def crop_videos(
    manifest: Manifest,
    folder: str | Path,
    settings: CropSettings,
    *,
    root: str | Path | None = None,
    engine: Engine = LOCAL,
    limit: int | None = None,
    shard: Shard | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> CropSummary:
    """Cut the faces of a manifest's videos into a store, or go on with one.

    Args:
        manifest: the rows.
        folder: of the store; new, empty, or begun with the same manifest and settings.
        settings: how crops are cut.
        root: the data set's folder, where it is not where it was indexed.
        engine: where, and how many at a time.
        limit: most videos in this run, evenly spread over those that are left; None: all.
        shard: only the videos of this shard; `merge.merge_stores` makes one store of all.
        retry_failed: whether videos that failed before are tried again.
        progress: told of each video.
        shard_bytes: size that a shard is closed at.

    Raises:
        ManifestError: the store was begun with other settings or another manifest.
        InputNotFound: the data set's folder is absent.
        ValueError: the settings name an unknown selector or face detector, or a number is below 1.
    """
    place = _check_inputs(manifest, settings, root=root, limit=limit)
    cropper = Cropper(settings, manifest.info, str(place))
    with open_for_writing(folder, store_info(manifest, settings), shard_bytes=shard_bytes) as store:
        left = [
            record
            for record in _list_unfinished(manifest, store.coverage(), retry_failed=retry_failed)
            if shard is None or shard.holds(record.id)
        ]
        tasks = left if limit is None else _spread(left, limit)
        tell = progress or (lambda *_: None)
        tell(0, len(tasks), None)
        results = engine.run(
            tasks, Duty(partial(_same, cropper), Cropper.crop, reads=Cropper.reads)
        )
        for finished, (position, result) in enumerate(results, start=1):
            crops = _note_crash(tasks[position], result) if isinstance(result, Crashed) else result
            store.add(crops)
            tell(finished, len(tasks), crops.coverage)
    return summarise(store)


def store_info(manifest: Manifest, settings: CropSettings) -> StoreInfo:
    """Return what holds for all crops of a manifest that are cut in one way."""
    info = manifest.info
    return StoreInfo(
        dataset=info.dataset,
        licence=info.licence,
        protocol=info.protocol,
        leaks=info.leaks,
        leak_reason=info.leak_reason,
        manifest_sha256=manifest_sha256(manifest),
        manifest_rows=len(manifest),
        settings=settings.table(),
        versions={**versions(), "pyarrow": version("pyarrow")},
    )


def summarise(store: CropStore) -> CropSummary:
    """Count how the videos of a store ended."""
    lines = store.coverage().values()
    ended = Counter(line.status for line in lines)
    return CropSummary(
        done=ended["done"],
        empty=ended["empty"],
        failed=ended["failed"],
        not_tried=store.info.manifest_rows - len(lines),
        crops=sum(line.crops for line in lines),
        shards=len(store.shards()),
    )


def _check_inputs(
    manifest: Manifest,
    settings: CropSettings,
    *,
    root: str | Path | None,
    limit: int | None,
) -> Path:
    """Return the data set's folder after refusing what cannot work."""
    keyframes.selector(settings.scan.selector)
    create(settings.scan.face_detector)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    place = Path(root or manifest.info.root)
    if not place.is_dir():
        raise InputNotFound(
            f"no folder {str(place)!r}, where {manifest.info.dataset!r} was indexed"
            if root is None
            else f"no folder {str(place)!r}",
            hint="say where the data set lies now with --root",
        )
    return place


def _list_unfinished(
    manifest: Manifest, ended: dict[str, VideoCoverage], *, retry_failed: bool
) -> list[VideoRecord]:
    settled = {
        number for number, line in ended.items() if not (retry_failed and line.status == "failed")
    }
    return [record for record in manifest.records if record.id not in settled]


def _spread(records: list[VideoRecord], count: int) -> list[VideoRecord]:
    """Return at most `count` records, evenly spread."""
    positions = np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int)
    return [records[position] for position in positions]


def _same(cropper: Cropper) -> Cropper:
    """Hand a cropper to a worker process as it is."""
    return cropper


def _note_crash(record: VideoRecord, crash: Crashed) -> VideoCrops:
    blame = "probably for lack of memory" if crash.killed else "damaged, or made to do this"
    reason = f"the process that read it died ({crash}): {blame}"
    return VideoCrops(VideoCoverage.of(record, "failed", reason=reason))
