"""From one row of a manifest to its face crops: what a worker process does.

    footage -> key frames of each face -> crops -> masks with the same squares -> which face is
    forged -> rows

Reads videos through the same rooms as a scan, so that a detector is trained on what it will be
shown. Whatever goes wrong becomes a line of coverage with its reason.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.core.errors import UnmaskError
from unmask.core.face import Box
from unmask.core.media import PicturePart
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import DEFAULT_MARGIN_RATIO, LARGEST_CROP_PX, ScanSettings
from unmask.crops.forged_face import forged_faces
from unmask.crops.record import CropRecord, ForgedFace
from unmask.crops.rows import CropRow, VideoCoverage, VideoCrops
from unmask.datasets.footage import (
    Footage,
    files_of,
    mask_frames,
    read_crop,
    read_folder,
    read_video,
)
from unmask.datasets.manifest import ManifestInfo, Split, VideoRecord
from unmask.datasets.splits import frame_split
from unmask.faces.squares import cut_square, cut_window, square_around
from unmask.scanner.face_cuts import choose_faces, cut_faces
from unmask.scanner.passes import ChosenFrames
from unmask.scanner.repetition import settings_table
from unmask.scanner.scoring import sharpness

Picture = NDArray[np.uint8]

_MASKED = 127
"""A mask pixel above this is manipulated."""


@dataclass(frozen=True)
class CropSettings:
    """How crops are cut and stored."""

    scan: ScanSettings = field(default_factory=ScanSettings)
    """How videos are looked at."""
    size_px: int | None = None
    """Side of a crop; None: as many pixels as the frame has there, at most `largest_px`."""
    largest_px: int = LARGEST_CROP_PX
    """Most pixels along a side where `size_px` is None."""
    margin_ratio: float = DEFAULT_MARGIN_RATIO
    """Side of the square over the longer side of the face box: wide enough to shift, turn and zoom
    in training (the shipped detector looks at 0.85)."""
    image_format: Literal["jpeg", "png"] = "png"
    """How crops are encoded: PNG keeps every pixel, JPEG takes a third of the room."""
    jpeg_quality: int = 95
    """Quality of JPEG, always without chroma subsampling."""

    def __post_init__(self) -> None:
        """Refuse what cannot be cut or stored."""
        if self.image_format not in {"jpeg", "png"}:
            raise ValueError(f"image_format must be jpeg or png, got {self.image_format!r}")
        for name, low, high in (
            ("size_px", 16, 2048),
            ("largest_px", 16, 2048),
            ("margin_ratio", 0.5, 4.0),
            ("jpeg_quality", 1, 100),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, got {value}")

    def table(self) -> dict[str, Any]:
        """Return all that a crop depends on, as one flat table."""
        unused = {"scan"} if self.size_px is None else {"scan", "largest_px"}
        own = {name: value for name, value in asdict(self).items() if name not in unused}
        looked = settings_table(self.scan)
        looked.pop("explain")
        return looked | own


@dataclass(frozen=True, eq=False)
class _Cut:
    """One crop before its row is written."""

    track: int
    track_frames: int
    key_frame: KeyFrame | None
    """None where no face was searched."""
    frame_index: int
    square: Box
    frame_size: tuple[int, int]
    pixels: Picture


@dataclass(frozen=True, eq=False)
class _Mask:
    """The mask of one crop."""

    pixels: Picture
    share: float
    """Part of the face box that is manipulated."""


_Masks = dict[tuple[int, int], _Mask]
"""By track and frame index."""


@dataclass(frozen=True)
class Cropper:
    """Cuts the faces of one row of a manifest after the other."""

    settings: CropSettings
    """How."""
    info: ManifestInfo
    """What holds for all rows."""
    root: str
    """The data set's folder."""

    def reads(self, record: VideoRecord) -> list[Path]:
        """Return what cutting the faces of a row opens."""
        return files_of(record, self.root)

    def crop(self, record: VideoRecord) -> VideoCrops:
        """Cut the faces of a row; never fails, but says in the coverage what went wrong."""
        started = time.perf_counter()
        try:
            crops = self._of_crop(record) if record.kind == "crop" else self._of_footage(record)
        except UnmaskError as error:
            crops = _note_failure(record, error.message)
        except Exception as error:  # noqa: BLE001 - one video's failure must not touch another's
            crops = _note_failure(record, f"{type(error).__name__}: {error}")
        seconds = round(time.perf_counter() - started, 3)
        return replace(crops, coverage=replace(crops.coverage, work_seconds=seconds))

    def _of_footage(self, record: VideoRecord) -> VideoCrops:
        scan, path = self.settings.scan, Path(self.root, record.id)
        read = read_folder if record.kind == "frames" else read_video
        footage = read(path, scan)
        chosen = choose_faces(footage.tracks, footage.codec_keys, scan)
        tracks = [each.track for each in chosen]
        cuts = sorted(
            self._cuts(footage, chosen),
            key=lambda cut: (cut.track, cut.frame_index),
        )
        masks, notes = self._masks(record, cuts)
        flags: Mapping[int, ForgedFace | None] = {track.id: None for track in tracks}
        if record.label == "fake":
            flags = forged_faces(tracks, _mask_shares(masks))
        timed = footage.seconds is not None
        rows = tuple(
            self._row(record, cut, flags[cut.track], masks, timed=timed)
            for cut in cuts
            if cut.track in flags
        )
        left_out = [*footage.not_analysed, *_left_out(footage, len(tracks), len(flags)), *notes]
        coverage = VideoCoverage.of(
            record,
            "done" if rows else "empty",
            reason=None if rows else f"no face was found in {footage.frames_sampled} frames",
            notes="; ".join(left_out) or None,
            crops=len(rows),
            tracks_found=len(footage.tracks),
            tracks_kept=len(flags),
            seconds_analysed=footage.seconds,
        )
        return VideoCrops(coverage, rows)

    def _of_crop(self, record: VideoRecord) -> VideoCrops:
        """Take a picture that is a face crop already, whole."""
        picture = read_crop(Path(self.root), record.id, self.settings.scan.limits)
        height, width = picture.shape[:2]
        side = max(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        square = (left, top, left + side, top + side)
        size_px = self.settings.size_px or min(side, self.settings.largest_px)
        pixels = cut_square(picture, square, size_px=size_px)
        cut = _Cut(1, 1, None, 0, square, (width, height), pixels)
        masks, notes = self._masks(record, [cut])
        flag: ForgedFace | None = None if record.label == "real" else "only-face"
        row = self._row(record, cut, flag, masks, timed=False)
        counts = {"crops": 1, "tracks_found": 1, "tracks_kept": 1}
        notes_or_none = "; ".join(notes) or None
        return VideoCrops(VideoCoverage.of(record, "done", notes=notes_or_none, **counts), (row,))

    def _cuts(self, footage: Footage, chosen: Sequence[ChosenFrames]) -> Iterator[_Cut]:
        """Cut the faces that a scan would score: not the half hidden ones."""
        for face in cut_faces(footage.pictures(chosen), self._square, detector=footage.detector):
            key, (square, pixels) = face.key_frame, face.cut
            if key.unusable is None:
                height, width = face.picture.shape[:2]
                yield _Cut(
                    face.track.id, len(face.track), key, key.frame_index, square, (width, height),
                    pixels,
                )  # fmt: skip

    def _square(self, picture: Picture | PicturePart, box: Box) -> tuple[Box, Picture]:
        square = square_around(box, margin_ratio=self.settings.margin_ratio)
        if self.settings.size_px is None:
            return cut_window(picture, square, largest_px=self.settings.largest_px)
        return square, cut_square(picture, square, size_px=self.settings.size_px)

    def _masks(self, record: VideoRecord, cuts: Sequence[_Cut]) -> tuple[_Masks, list[str]]:
        """Cut the mask with the squares of the crops; say what is missing."""
        if record.mask is None or not cuts:
            return {}, []
        masks: _Masks = {}
        notes = []
        try:
            for place, mask in self._cut_masks(Path(self.root, record.mask), cuts):
                masks[place] = mask
        except UnmaskError as error:
            notes.append(f"mask: {error.message}")
        if len(masks) < len(cuts):
            notes.append(f"no mask for {len(cuts) - len(masks)} of {len(cuts)} crops")
        return masks, notes

    def _cut_masks(
        self, path: Path, cuts: Sequence[_Cut]
    ) -> Iterator[tuple[tuple[int, int], _Mask]]:
        at: dict[int, list[_Cut]] = {}
        for cut in cuts:
            at.setdefault(cut.frame_index, []).append(cut)
        for index, whole in mask_frames(path, sorted(at), self.settings.scan.limits):
            for cut in at[index]:
                pixels = cut_square(whole, _on(whole, cut.square, cut), size_px=cut.pixels.shape[0])
                yield (cut.track, index), _Mask(pixels, _share(whole, cut))

    def _row(
        self,
        record: VideoRecord,
        cut: _Cut,
        forged_face: ForgedFace | None,
        masks: _Masks,
        *,
        timed: bool,
    ) -> CropRow:
        mask = masks.get((cut.track, cut.frame_index))
        at = cut.key_frame
        return CropRow(
            record=replace(
                CropRecord.of_video(record),
                split=self._split(record, cut.frame_index),
                track=cut.track,
                frame_index=cut.frame_index,
                pts_seconds=at.pts_seconds if at and timed else None,
                square=cut.square,
                box=at.box if at else None,
                landmarks=tuple(v for point in at.landmarks for v in point) if at else None,
                face_px=at.face_px if at else None,
                forged_face=forged_face,
            ),
            part=record.part,
            protocol=self.info.protocol,
            leaks=self.info.leaks,
            kind=record.kind,
            track_frames=cut.track_frames,
            difference=at.difference if at else None,
            sharpness=sharpness(cut.pixels),
            image=self._encoded(cut.pixels),
            mask=None if mask is None else _png(mask.pixels),
        )

    def _split(self, record: VideoRecord, frame_index: int) -> Split | None:
        if self.info.protocol != "paper-frame-split":
            return record.split
        ratios = {"ratios": self.info.settings["ratios"]} if "ratios" in self.info.settings else {}
        return frame_split(record.id, frame_index, seed=self.info.seed or 0, **ratios)

    def _encoded(self, pixels: Picture) -> bytes:
        if self.settings.image_format == "png":
            return _png(pixels)
        buffer = io.BytesIO()
        quality = self.settings.jpeg_quality
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
        return buffer.getvalue()


def _note_failure(record: VideoRecord, reason: str) -> VideoCrops:
    return VideoCrops(VideoCoverage.of(record, "failed", reason=reason))


def _left_out(footage: Footage, tracks: int, kept: int) -> Iterator[str]:
    """Say which faces were not cut."""
    over = len(footage.tracks) - tracks
    if over:
        yield f"{over} faces over the limit of {tracks} per video"
    if kept < tracks:
        yield f"{tracks - kept} faces outside the mask"


def _mask_shares(masks: _Masks) -> dict[int, float]:
    """Return the mean covered part of each track's face."""
    shares: dict[int, list[float]] = {}
    for (track, _), mask in masks.items():
        shares.setdefault(track, []).append(mask.share)
    return {track: float(np.mean(each)) for track, each in shares.items()}


def _on(mask: Picture, square: Box, cut: _Cut) -> Box:
    """Return a frame's rectangle in pixels of its mask, which may have another size."""
    x = mask.shape[1] / cut.frame_size[0]
    y = mask.shape[0] / cut.frame_size[1]
    return square[0] * x, square[1] * y, square[2] * x, square[3] * y


def _share(mask: Picture, cut: _Cut) -> float:
    """Return the part of the face box that is manipulated."""
    box = cut.key_frame.box if cut.key_frame else cut.square
    x0, y0, x1, y1 = (max(0, round(v)) for v in _on(mask, box, cut))
    inside = mask[y0:y1, x0:x1]
    return float((inside > _MASKED).mean()) if inside.size else 0.0


def _png(pixels: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
