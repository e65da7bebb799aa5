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
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.compute as pc
from PIL import Image

from unmask.bundle.framing import Crops, batch, face_square, split_views
from unmask.bundle.manifest import Bundle, Preprocessing, View
from unmask.bundle.runtime import DEFAULT_BATCH, Network
from unmask.crops.encoded_pictures import decode_picture
from unmask.crops.reading import Crop, CropDataset
from unmask.crops.record import CropRecord
from unmask.crops.resolution import count_coarse
from unmask.crops.rows import StoreInfo, VideoCoverage, manifest_sha256
from unmask.crops.store import CropStore
from unmask.datasets.layouts import crop_files as crops_layout
from unmask.datasets.layouts.crop_table import CropTable, read_crop_table
from unmask.datasets.manifest import Label, Manifest, ManifestInfo, Split, VideoRecord
from unmask.datasets.parquet import CROPS_HINT, batches
from unmask.datasets.split_checks import check_fold
from unmask.errors import InputNotFound, ManifestError
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.video_scorer import Pixels, Rows, VideoScorer, fail
from unmask.faces.squares import cut_square
from unmask.scanner.scoring import sharpness
from unmask.settings import ScanSettings
from unmask.system.provenance import settings_table
from unmask.system.workers import Crashed, run_all

_SLACK = 0.02
"""How far the wanted square may reach over a stored crop, in sides of that crop."""
_NONE_CERTAIN = "no face of it is known to be the forged one"
_PICTURES_AT_A_TIME = 32 * DEFAULT_BATCH
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that a detector can be run on."""

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

    @cached_property
    def _videos(self) -> dict[str, VideoCoverage]:
        lines = CropStore(self.folder).coverage()
        if self.fold is not None:
            check_fold(self.fold, (line.fold for line in lines.values()), name=str(self.folder))
            return {name: line for name, line in lines.items() if line.fold == self.fold}
        if self.split is None or CropStore(self.folder).info.protocol == "paper-frame-split":
            return lines
        return {name: line for name, line in lines.items() if line.split == self.split}

    @cached_property
    def crops(self) -> CropDataset:
        """The chosen crops.

        Raises:
            ManifestError: there are none.
        """
        inside = None if self.fold is None else pc.field("fold") == self.fold
        return CropDataset(self.folder, split=self.split, where=inside)

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
            "crops_coarse": count_coarse(self.crops.records(), info.settings, self.bundle.views),
            "settings": {**info.settings, "split": self.split, "fold": self.fold},
        }

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield failures first, then videos with crops in order of id."""
        dataset = CropStore(self.folder).info.dataset
        for name, line in self._videos.items():
            if line.status != "done" and name not in skip:
                record = CropRecord.of_coverage(line, dataset)
                yield [PredictionRow.of(record, status=line.status, reason=line.reason)]
        places: dict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self.crops.video_ids):
            places[name].append(position)
        for name in sorted(self.crops.left_out.keys() - places.keys() - skip):
            record = CropRecord.of_coverage(self._videos[name], dataset)
            yield [PredictionRow.of(record, status="failed", reason=_NONE_CERTAIN)]
        network = Network(self.bundle, threads=self.threads)
        for name in sorted(places.keys() - skip):
            yield self._scored(network, [self.crops[position] for position in places[name]])

    def _scored(self, network: Network, crops: Sequence[Crop]) -> Rows:
        cuts = [recut_views(crop, self.bundle.views) for crop in crops]
        logits = network.run(batch(cuts)).logits
        return [
            PredictionRow.of(crop, logit=float(logit), sharpness=sharpness(cut[0]))
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
    """Cut a stored crop as each view of a detector wants its input.

    A crop without a face box is taken as one that is framed as the first view.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    if crop.box is None and len(views) > 1:
        return split_views(Image.fromarray(crop.pixels), views)
    return tuple(recut(crop, view.preprocessing) for view in views)


def recut(crop: Crop, spec: Preprocessing) -> Pixels:
    """Cut a stored crop in a framing; a crop without a face box is taken whole.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    side = crop.pixels.shape[0]
    if crop.box is None:
        return cut_square(crop.pixels, (0, 0, side, side), size_px=spec.size_px)
    inside = crop.in_crop(face_square(crop.box, spec))
    if min(inside) < -_SLACK * side or max(inside) > (1 + _SLACK) * side:
        stored = (crop.square[2] - crop.square[0]) / max(
            crop.box[2] - crop.box[0], crop.box[3] - crop.box[1]
        )
        raise ManifestError(
            f"{crop.video_id!r}: the detector looks at {spec.margin_ratio:g} times the face, "
            f"shifted by {spec.shift_y_ratio:g}; the crop holds {stored:.2f} times",
            hint="cut the crops anew with a larger --margin-ratio",
        )
    return cut_square(crop.pixels, inside, size_px=spec.size_px)  # type: ignore[arg-type]  # four


@dataclass(frozen=True)
class PictureSource:
    """A table of face crops; each is a video of its own where the table names no videos."""

    bundle: Bundle
    """The detector."""
    path: Path
    """The file."""
    threads: int = 2
    """Of the network."""

    @cached_property
    def _table(self) -> CropTable:
        table = read_crop_table(self.path)
        for warning in table.warnings:
            _log.warning("%s: %s", self.path.name, warning)
        if len(self.bundle.views) > 1:
            _log.warning(
                "%s: a table says nothing of framing; its pictures are taken as crops of %g times "
                "the face box",
                self.path.name,
                self.bundle.manifest.preprocessing.margin_ratio,
            )
        return table

    @cached_property
    def records(self) -> dict[str, CropRecord]:
        """What is known of each crop, by its name.

        Raises:
            ManifestError: a video has crops of both labels.
        """
        name = self.path.name
        records = {
            row.name: replace(
                CropRecord.of_video(crops_layout.make_record(name, row)),
                video_id=f"{name}/{row.video}",
                frame_index=row.frame,
            )
            for row in self._table.rows
        }
        labels: dict[str, Label] = {}
        for record in records.values():
            if labels.setdefault(record.video_id, record.label) != record.label:
                raise ManifestError(
                    f"the video {record.video_id!r} has crops of both labels",
                    hint="name the video that each was cut from: a fake is another one than its "
                    "original",
                )
        return records

    @property
    def described(self) -> dict[str, Any]:
        """What is known of the file."""
        crops = (crops_layout.make_record(self.path.name, row) for row in self._table.rows)
        records = tuple(sorted(crops, key=lambda record: record.id))
        licence = crops_layout.CROPS.licence
        info = ManifestInfo("crops", str(self.path.parent), licence)
        return {
            "data": self.path.name,
            "licence": licence,
            "manifest_sha256": manifest_sha256(Manifest(info, records)),
            "videos_expected": len({record.video_id for record in self.records.values()}),
        }

    def score(self, skip: AbstractSet[str]) -> Iterator[Rows]:
        """Yield videos in the order in which the file ends them."""
        network = Network(self.bundle, threads=self.threads)
        crops_of = Counter(record.video_id for record in self.records.values())
        begun: dict[str, Rows] = defaultdict(list)
        columns = ("name", "image", "face_px")
        rows_at_a_time = _PICTURES_AT_A_TIME
        for group in batches(self.path, columns=columns, rows=rows_at_a_time, hint=CROPS_HINT):
            rows = [r for r in group.to_pylist() if self._of(r).video_id not in skip]
            for row in self._scored(network, rows):
                begun[row.video_id].append(row)
            whole = [name for name, each in begun.items() if len(each) == crops_of[name]]
            if whole:
                yield [row for name in whole for row in begun.pop(name)]

    def _scored(self, network: Network, rows: Sequence[dict[str, Any]]) -> Rows:
        pictures = [(row, _decode(row["image"], self.bundle.views)) for row in rows]
        readable = [crops for _, crops in pictures if crops is not None]
        logits = iter(network.run(batch(readable)).logits if readable else ())
        return [_picture_row(self._of(row), row, crops, logits) for row, crops in pictures]

    def _of(self, row: dict[str, Any]) -> CropRecord:
        return self.records[str(row["name"])]


def _picture_row(
    record: CropRecord, row: dict[str, Any], crops: Crops | None, logits: Iterator[np.float32]
) -> PredictionRow:
    if crops is None:
        reason = "the picture cannot be decoded"
        return PredictionRow.of(replace(record, frame_index=None), status="failed", reason=reason)
    face_px = row.get("face_px")
    measured = replace(record, face_px=None if face_px is None else float(face_px))
    return PredictionRow.of(measured, sharpness=sharpness(crops[0]), logit=float(next(logits)))


def open_picture(encoded: bytes) -> Image.Image | None:
    """Return a picture; None where it cannot be decoded."""
    try:
        return decode_picture(encoded)
    except ManifestError:
        return None


def _decode(encoded: bytes, views: Sequence[View]) -> Crops | None:
    picture = open_picture(encoded)
    return None if picture is None else split_views(picture, views)


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
    workers: int = 1
    """Processes."""

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
        start = partial(VideoScorer, self.bundle, self.settings, place)
        for position, result in run_all(tasks, start, VideoScorer.score, workers=self.workers):
            if isinstance(result, Crashed):
                reason = f"the process that read it died ({result})"
                yield [fail(tasks[position], reason)]
            else:
                yield result
