"""Clips of a crop store's videos, made and judged as a scan makes and judges those of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from unmask.bundle import framing
from unmask.bundle.framing import Crops
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.scan_record import KeyFrame
from unmask.crops.record import Crop, CropRecord
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.video_scorer import Rows, scored_units
from unmask.scanner.clip_scoring import score_track
from unmask.scanner.verdict import judge_track

_UNKNOWN = "cannot judge: it is not known when and where in a video its crops were cut"


def score_stored_clips(network: Network, bundle: Bundle, crops: Sequence[Crop]) -> Rows:
    """Return the rows of a video's clips; of one that a scan could not judge a row with the reason.

    Args:
        network: of a detector over time.
        bundle: that detector.
        crops: of one video.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    known = [crop for crop in crops if crop.record.landmarks is not None]
    ordered = sorted(known, key=lambda c: (c.record.track or 0, c.record.frame_index or 0))
    rows: Rows = []
    reasons = [] if known else [_UNKNOWN]
    for track, group in groupby(ordered, key=lambda crop: crop.record.track):
        of_track = list(group)
        faces = [_cut(crop, bundle) for crop in of_track]
        keys = [_key_frame(crop.record) for crop in of_track]
        scored = score_track(network, keys, faces, bundle.manifest)
        verdict = judge_track(scored, bundle.manifest, still=False)
        if verdict.logit is None:
            reasons.append(f"cannot judge: face {track}: {verdict.reason}")
            continue
        by_frame = {crop.record.frame_index: crop.record for crop in of_track}
        rows += [_row(by_frame[unit.frame_index], unit) for unit in scored_units(scored)]
    if rows:
        return rows
    video = replace(crops[0].record, track=None, frame_index=None, pts_seconds=None, face_px=None)
    return [PredictionRow(video, status="failed", reason="; ".join(reasons))]


def _cut(crop: Crop, bundle: Bundle) -> Crops:
    known = crop.record
    return framing.recut_views(
        crop.pixels, known.square, known.box, bundle.views, name=known.video_id
    )


def _key_frame(record: CropRecord) -> KeyFrame:
    """Return what a scan knows of the key frame that a crop was cut from."""
    if record.box is None or record.landmarks is None or record.frame_index is None:
        raise ValueError(f"{record.crop_id}: neither box nor landmarks are known")
    x, y = record.landmarks[::2], record.landmarks[1::2]
    left, right, nose, mouth_left, mouth_right = zip(x, y, strict=True)
    return KeyFrame(
        frame_index=record.frame_index,
        pts_seconds=record.pts_seconds or 0.0,
        box=record.box,
        landmarks=(left, right, nose, mouth_left, mouth_right),
        face_px=record.face_px or 0.0,
        difference=None,
    )


def _row(record: CropRecord, unit: KeyFrame) -> PredictionRow:
    return PredictionRow(
        replace(record, face_px=unit.face_px), sharpness=unit.sharpness, logit=unit.logit
    )
