"""What a detector is run on: a crop store, a table of pictures, or the videos of a manifest.

Each source yields the rows of whole videos, one list after the other, and skips those that were
scored before; so a run that was stopped goes on. Crops of a store are cut again as the detector
wants them; videos go through the two passes of a scan, in worker processes, and a face that a scan
could not judge gives no row.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from unmask.bundle import framing
from unmask.bundle.devices import Device
from unmask.bundle.framing import Crops, batch
from unmask.bundle.manifest import Bundle, View
from unmask.bundle.runtime import DEFAULT_BATCH, Network
from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.picture_table import PictureTable
from unmask.crops.reading import CropDataset
from unmask.crops.record import Crop, CropRecord
from unmask.crops.resolution import count_coarse
from unmask.crops.rows import StoreInfo, VideoCoverage, manifest_sha256
from unmask.crops.store import CropStore
from unmask.datasets.layouts import crop_files as crops_layout
from unmask.datasets.manifest import Label, Manifest, ManifestInfo, Split, VideoRecord
from unmask.datasets.split_checks import check_fold
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.stored_clips import score_stored_clips
from unmask.evaluation.video_scorer import Rows, VideoScorer, fail
from unmask.scanner.repetition import settings_table
from unmask.scanner.scoring import sharpness
from unmask.system.engines import LOCAL, Engine
from unmask.system.workers import Crashed, Duty

_NONE_CERTAIN = "no face of it is known to be the forged one"
_PICTURES_AT_A_TIME = 32 * DEFAULT_BATCH
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that a detector can be run on."""

    @property
    def videos(self) -> list[str]:
        """Ids of its videos, those without a crop included."""

    @property
    def described(self) -> dict[str, Any]:
        """What the predictions file says of the data: fields of `PredictionsInfo`."""

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield rows of whole videos but those whose ids are to be skipped."""


@dataclass(frozen=True)
class StoreSource:
    """A crop store."""

    bundle: Bundle
    """The detector."""
    folder: Path
    """Of the store."""
    split: Split | None = None
    """Only crops of this split."""
    fold: int | None = None
    """Only crops of this fold."""
    threads: int = 2
    """Of the network."""
    masks: bool = False
    """Whether to read the masks of what was manipulated."""
    device: Device = "cpu"
    """What it runs on."""

    @cached_property
    def _videos(self) -> dict[str, VideoCoverage]:
        lines = CropStore(self.folder).coverage()
        if self.fold is not None:
            folds = (line.record.fold for line in lines.values())
            check_fold(self.fold, folds, name=str(self.folder))
            return {name: line for name, line in lines.items() if line.record.fold == self.fold}
        if self.split is None or CropStore(self.folder).info.protocol == "paper-frame-split":
            return lines
        return {name: line for name, line in lines.items() if line.record.split == self.split}

    @property
    def videos(self) -> list[str]:
        """Ids of the chosen videos."""
        return list(self._videos)

    @cached_property
    def crops(self) -> CropDataset:
        """The chosen crops.

        Raises:
            ManifestError: there are none.
        """
        inside = None if self.fold is None else pc.field("fold") == self.fold
        return CropDataset(self.folder, split=self.split, where=inside, masks=self.masks)

    def read(self, positions: NDArray[np.int64]) -> Iterator[Crop]:
        """Yield the chosen crops at ascending positions.

        Raises:
            ManifestError: a picture cannot be read.
        """
        return self.crops.read(positions)

    @property
    def described(self) -> dict[str, Any]:
        """What is known of the store."""
        info = CropStore(self.folder).info
        everything = self.split is None and self.fold is None
        return {
            **_terms(info),
            "manifest_sha256": info.manifest_sha256,
            "videos_expected": info.manifest_rows if everything else len(self._videos),
            "crops_left_out": self.crops.total_left_out,
            "crops_coarse": count_coarse(
                self.crops.coordinates("box"),
                self.crops.coordinates("square"),
                info.settings,
                self.bundle.views,
            ),
            "settings": {**info.settings, "split": self.split, "fold": self.fold},
        }

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield failures first, then videos with crops in order of id."""
        for name, line in self._videos.items():
            if line.status != "done" and name not in skip:
                yield [PredictionRow(line.record, status=line.status, reason=line.reason)]
        places = self.crops.positions_by_video()
        for name in sorted(self.crops.left_out.keys() - places.keys() - skip):
            record = self._videos[name].record
            yield [PredictionRow(record, status="failed", reason=_NONE_CERTAIN)]
        network = Network(self.bundle, threads=self.threads, device=self.device)
        for name in sorted(places.keys() - skip):
            crops = [self.crops[position] for position in places[name]]
            if self.bundle.manifest.clip is None:
                yield self._scored(network, crops)
            else:
                yield score_stored_clips(network, self.bundle, crops)

    def _scored(self, network: Network, crops: Sequence[Crop]) -> Rows:
        cuts = [recut_views(crop, self.bundle.views) for crop in crops]
        logits = network.run(batch(cuts)).logits
        return [
            PredictionRow(crop.record, logit=float(logit), sharpness=sharpness(cut[0]))
            for crop, cut, logit in zip(crops, cuts, logits, strict=True)
        ]


_OF_ONES_OWN = frozenset(["folder", "table"])
"""Layouts that name no data set."""


def _terms(info: StoreInfo | ManifestInfo) -> dict[str, Any]:
    """Return what a crop store and a manifest say alike."""
    return {
        "data": info.dataset,
        "licence": info.licence,
        "protocol": info.protocol,
        "leaks": info.leaks,
        "leak_reason": info.leak_reason,
    }


def _name_data(info: ManifestInfo) -> str:
    """Return what the data are called: of one's own, by their folder."""
    return Path(info.root).name if info.dataset in _OF_ONES_OWN else info.dataset


def recut_views(crop: Crop, views: Sequence[View]) -> Crops:
    """Cut a stored crop as each view of a detector wants its input; see `framing.recut_views`.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    known = crop.record
    return framing.recut_views(crop.pixels, known.square, known.box, views, name=known.video_id)


@dataclass(frozen=True)
class PictureSource:
    """A table of face crops; each is a video of its own where the table names no videos."""

    bundle: Bundle
    """The detector."""
    path: Path
    """The file."""
    threads: int = 2
    """Of the network."""
    device: Device = "cpu"
    """What it runs on."""

    @cached_property
    def crops(self) -> PictureTable:
        """The crops as the file tells of them."""
        crops = PictureTable(self.path)
        if len(self.bundle.views) > 1:
            _log.warning(
                "%s: a table says nothing of framing; its pictures are taken as crops of %g times "
                "the face box",
                self.path.name,
                self.bundle.manifest.preprocessing.margin_ratio,
            )
        return crops

    @cached_property
    def _manifest(self) -> Manifest:
        """The file as a data set, whose keys of videos and footage are those of audits."""
        crops = tuple(crops_layout.make_record(self.path.name, row) for row in self.crops.rows)
        info = ManifestInfo("crops", str(self.path.parent), crops_layout.CROPS.licence)
        return Manifest(info, crops)

    @cached_property
    def records(self) -> tuple[CropRecord, ...]:
        """What is known of each crop, with the keys of a data set.

        Raises:
            ManifestError: a video has crops of both labels.
        """
        rows = zip(self.crops.records(), self._manifest.records, strict=True)
        records = tuple(
            replace(
                crop,
                video_id=f"{self.path.name}/{crop.video_id}",
                target=known.target,
                source=known.source,
            )
            for crop, known in rows
        )
        labels: dict[str, Label] = {}
        for record in records:
            if labels.setdefault(record.video_id, record.label) != record.label:
                raise ManifestError(
                    f"the video {record.video_id!r} has crops of both labels",
                    hint="name the video that each was cut from: a fake is another one than its "
                    "original",
                )
        return records

    @property
    def videos(self) -> list[str]:
        """Ids of the videos that the crops were cut from."""
        return list(dict.fromkeys(record.video_id for record in self.records))

    @property
    def described(self) -> dict[str, Any]:
        """What is known of the file."""
        manifest = self._manifest
        ordered = tuple(sorted(manifest.records, key=lambda record: record.id))
        return {
            "data": self.path.name,
            "licence": manifest.info.licence,
            "manifest_sha256": manifest_sha256(manifest.with_records(ordered)),
            "videos_expected": len(self.videos),
        }

    def read(self, positions: NDArray[np.int64]) -> Iterator[Crop | None]:
        """Yield the crops at ascending positions; None for one that cannot be decoded."""
        for position, crop in zip(positions, self.crops.read(positions), strict=True):
            yield None if crop is None else replace(crop, record=self.records[position])

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield videos in the order in which the file ends them."""
        network = Network(self.bundle, threads=self.threads, device=self.device)
        crops_of = Counter(record.video_id for record in self.records)
        begun: dict[str, Rows] = defaultdict(list)
        positions = [at for at, record in enumerate(self.records) if record.video_id not in skip]
        crops = zip(positions, self.crops.read(positions), strict=True)
        while group := list(islice(crops, _PICTURES_AT_A_TIME)):
            for row in self._scored(network, group):
                begun[row.crop.video_id].append(row)
            whole = [name for name, each in begun.items() if len(each) == crops_of[name]]
            if whole:
                yield [row for name in whole for row in begun.pop(name)]

    def _scored(self, network: Network, crops: Sequence[tuple[int, Crop | None]]) -> Rows:
        cuts = [None if crop is None else recut_views(crop, self.bundle.views) for _, crop in crops]
        readable = [cut for cut in cuts if cut is not None]
        logits = iter(network.run(batch(readable)).logits if readable else ())
        return [
            _picture_row(self.records[position], cut, logits)
            for (position, _), cut in zip(crops, cuts, strict=True)
        ]


def _picture_row(
    record: CropRecord, cut: Crops | None, logits: Iterator[np.float32]
) -> PredictionRow:
    if cut is None:
        missing = replace(record, frame_index=None, face_px=None)
        reason = "the picture cannot be decoded"
        return PredictionRow(missing, status="failed", reason=reason)
    return PredictionRow(record, sharpness=sharpness(cut[0]), logit=float(next(logits)))


@dataclass(frozen=True)
class VideoSource:
    """The videos of a manifest."""

    bundle: Bundle
    """The detector."""
    manifest: Manifest
    """The rows."""
    settings: ScanSettings = field(default_factory=ScanSettings)
    """How videos are looked at."""
    root: Path | None = None
    """The data set's folder, where it is not where it was indexed."""
    split: Split | None = None
    """Only videos of this split."""
    fold: int | None = None
    """Only videos of this fold."""
    engine: Engine = LOCAL
    """Where, and how many at a time."""
    device: Device = "cpu"
    """What the network runs on."""

    @cached_property
    def _records(self) -> list[VideoRecord]:
        records = self.manifest.records
        if self.fold is not None:
            check_fold(self.fold, (r.fold for r in records), name="the manifest")
            return [r for r in records if r.fold == self.fold]
        selected = [r for r in records if self.split in {None, r.split}]
        if not selected:
            raise ManifestError(
                f"no row of the manifest is in the split {self.split!r}",
                hint="see `unmask data split`; leave --split away for all rows",
            )
        return selected

    @property
    def videos(self) -> list[str]:
        """Ids of the chosen videos."""
        return [record.id for record in self._records]

    @property
    def described(self) -> dict[str, Any]:
        """What the manifest says."""
        return {
            **_terms(self.manifest.info),
            "data": _name_data(self.manifest.info),
            "manifest_sha256": manifest_sha256(self.manifest),
            "videos_expected": len(self._records),
            "settings": {**settings_table(self.settings), "split": self.split, "fold": self.fold},
        }

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield videos as they are finished."""
        place = Path(self.root or self.manifest.info.root)
        if not place.is_dir():
            raise InputNotFound(
                f"no folder {str(place)!r}, where the data set should lie", hint="give --root"
            )
        tasks = [record for record in self._records if record.id not in skip]
        start = partial(VideoScorer, self.bundle, self.settings, place, device=self.device)
        for position, result in self.engine.run(
            tasks, Duty(start, VideoScorer.score, reads=VideoScorer.reads)
        ):
            if isinstance(result, Crashed):
                reason = f"the process that read it died ({result})"
                yield [fail(tasks[position], reason)]
            else:
                yield result
