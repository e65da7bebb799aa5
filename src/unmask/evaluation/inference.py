"""From a detector and data to a predictions file, resumable.

    OUT                     the finished file
    .OUT.parts/run.json     what is being scored, and by which detector
    .OUT.parts/NNNNN.parquet  rows of whole videos

Parts are written under another name and renamed; a run that was stopped goes on after the videos
that are in them. When all videos are there the parts become the one file and are removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.bundle.devices import Device
from unmask.bundle.manifest import Bundle
from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.datasets.manifest import Manifest, Split, read_manifest
from unmask.datasets.shards import Shard
from unmask.evaluation.predictions import (
    PredictionRow,
    Predictions,
    PredictionsInfo,
    merge_tables,
    read_predictions,
    to_table,
    write_predictions,
)
from unmask.evaluation.source_sets import SourceChain, SourceShard
from unmask.evaluation.sources import PictureSource, Source, StoreSource, VideoSource
from unmask.system.engines import LOCAL, Engine
from unmask.system.files import drop_partials, write_text, write_whole
from unmask.system.parquet import column_names, read_table
from unmask.system.provenance import versions
from unmask.system.remote_files import check_place, local_copy
from unmask.system.store_folders import StoreFolder, written_folder

Progress = Callable[[int, int, list[PredictionRow]], None]
"""Called with the videos finished, their total, and the rows that were just made."""

_PART_ROWS = 2048
_PART_HINT = "remove the folder beside the output, and predict again"
_PART_SECONDS = 10.0
_RUN = "run.json"
_VOLATILE = {"versions"}


def source_at(
    bundle: Bundle,
    path: str | Path,
    *,
    split: Split | None = None,
    fold: int | None = None,
    root: Path | None = None,
    settings: ScanSettings | None = None,
    threads: int = 2,
    device: Device = "cpu",
    engine: Engine = LOCAL,
) -> Source:
    """Open what a path holds: a crop store, a manifest, or a table of pictures.

    Args:
        bundle: the detector.
        path: folder of a store, or a Parquet file; of an address a copy is read.
        split: only videos or crops of this split.
        fold: only those of this fold.
        root: folder of a manifest's data set, where it is not where it was indexed.
        settings: how a manifest's videos are looked at.
        threads: of the network, for crops.
        device: what networks run on.
        engine: where videos are read, and how many at a time.

    Raises:
        InputNotFound: there is nothing.
        ManifestError: it is none of these.
        ValueError: Ray was asked for and there are no videos; a split and a fold were asked for, or
            one of them of a table of pictures, which is scored whole.
    """
    if split is not None and fold is not None:
        raise ValueError("give --split or --fold, not both")
    place = local_copy(path)
    if engine.name != "local" and (place.is_dir() or _is_table_of_pictures(place)):
        raise ValueError(
            f"--engine {engine.name} is for the videos of a manifest: crops are scored here"
        )
    if place.is_dir():
        return StoreSource(bundle, place, split=split, fold=fold, threads=threads, device=device)
    if not place.is_file():
        raise InputNotFound(
            f"no file or folder {str(path)!r}",
            hint="give a crop store, a manifest, or a Parquet file with name, label and image",
        )
    if _is_table_of_pictures(place):
        if split is not None or fold is not None:
            raise ValueError("a table of pictures is scored whole: leave --split and --fold away")
        return PictureSource(bundle, place, threads=threads, device=device)
    manifest: Manifest = read_manifest(place)
    return VideoSource(
        bundle,
        manifest,
        settings or ScanSettings(),
        root=root,
        split=split,
        fold=fold,
        engine=engine,
        device=device,
    )


def combine_sources(sources: Sequence[Source], shard: Shard | None = None) -> Source:
    """Return several sources as one, or one shard of them.

    Raises:
        ManifestError: two share a video.
    """
    one = sources[0] if len(sources) == 1 else SourceChain(tuple(sources))
    return one if shard is None else SourceShard(one, shard)


def _is_table_of_pictures(path: Path) -> bool:
    if not path.is_file():
        return False
    hint = "index videos with `unmask data index`, or score a crop store"
    return {"name", "label", "image"} <= set(column_names(path, hint=hint))


def make_info(bundle: Bundle, source: Source) -> PredictionsInfo:
    """Return what holds for all predictions of a detector on a source."""
    manifest = bundle.manifest
    return PredictionsInfo(
        detector=manifest.name,
        detector_sha256=bundle.sha256,
        model_sha256=manifest.networks_sha256,
        calibration=manifest.calibration,
        operating_points=manifest.operating_points,
        versions={**versions(), "pyarrow": version("pyarrow")},
        **source.described,
    )


def predict(
    bundle: Bundle, source: Source, out: str | Path, *, progress: Progress | None = None
) -> Predictions:
    """Score a source, or go on with it, and write the predictions file.

    Args:
        bundle: the detector.
        source: of `source_at`, for the same detector.
        out: the file to write, or its address.
        progress: told of each video or batch of crops.

    Raises:
        ManifestError: a run of another kind was begun under this name.
        InputNotFound: the folder of `out` does not exist.
    """
    target = Path(out)
    check_place(target)
    info = make_info(bundle, source)
    with written_folder(target.with_name(f".{target.name}.parts"), begins_with=_RUN) as place:
        parts = _Parts(place, info)
        skip = parts.finished()
        count = len(skip)
        for rows in source.score(skip):
            count += len({row.crop.video_id for row in rows})
            parts.add(rows)
            if progress is not None:
                progress(count, info.videos_expected or 0, rows)
        write_predictions(info, parts.merged(), target)
        place.remove_all()
    return read_predictions(target)


class _Parts:
    """Rows of finished videos on disk, until all are there."""

    def __init__(self, place: StoreFolder, info: PredictionsInfo) -> None:
        self._place, self._folder = place, place.path
        folder = place.path
        self._waiting: list[PredictionRow] = []
        self._written = time.monotonic()
        described = info.model_dump_json(exclude=_VOLATILE)
        run = folder / _RUN
        if run.is_file() and run.read_text(encoding="utf-8") != described:
            raise ManifestError(
                f"{str(folder)!r} holds an unfinished run of another detector, data or settings",
                hint="finish that one, remove the folder, or name another output",
            )
        folder.mkdir(exist_ok=True)
        drop_partials(folder)
        write_text(run, described)
        place.send(run)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"))

    def finished(self) -> set[str]:
        """Return the ids of the videos that are there."""
        ids: set[Any] = set()
        for path in self._paths():
            part = read_table(path, columns=["video_id"], hint=_PART_HINT)
            ids.update(part["video_id"].to_pylist())
        return ids

    def add(self, rows: list[PredictionRow]) -> None:
        """Keep rows of whole videos; write them when there are many or some time has passed."""
        self._waiting += rows
        late = time.monotonic() - self._written >= _PART_SECONDS
        if late or len(self._waiting) >= _PART_ROWS:
            self._write()

    def _write(self) -> None:
        path = self._folder / f"{len(self._paths()):05d}.parquet"
        table = to_table(self._waiting)
        write_whole(path, lambda partial: pq.write_table(table, partial))
        self._place.send(path)
        self._waiting = []
        self._written = time.monotonic()

    def merged(self) -> pa.Table:
        """Return all rows in order."""
        self._write()
        return merge_tables(self._paths(), hint=_PART_HINT)
