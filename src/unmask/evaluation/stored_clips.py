"""Clips of a crop store's videos, made and judged as a scan makes and judges those of a video.

`predict` writes a row for each. What changes their pixels, or explains them, takes the clips
themselves: those that the crops as they are make, whatever becomes of their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from unmask.bundle import framing
from unmask.bundle.clips import Positions
from unmask.bundle.framing import Crops
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.scan_record import KeyFrame
from unmask.crops.record import Crop, CropRecord
from unmask.evaluation.predictions import PredictionRow
from unmask.evaluation.video_scorer import Rows, scored_units
from unmask.scanner.clip_scoring import fit_for_clips, place_clips, score_track
from unmask.scanner.verdict import judge_track

_UNKNOWN = "cannot judge: it is not known when and where in a video its crops were cut"


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """One clip of a video, scored."""

    row: PredictionRow
    """As `predict` writes it: its first crop, with the clip's logit and medians."""
    positions: Positions
    """`(T,)` of its crops among those of the video, in order of time; the last may be repeated."""


def score_stored_clips(network: Network, bundle: Bundle, crops: Sequence[Crop]) -> Rows:
    """Return the rows of a video's clips; of one that a scan could not judge a row with the reason.

    Args: as of `clips_of_video`.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    clips, reasons = clips_of_video(network, bundle, crops)
    if clips:
        return [clip.row for clip in clips]
    video = replace(crops[0].record, track=None, frame_index=None, pts_seconds=None, face_px=None)
    return [PredictionRow(video, status="failed", reason="; ".join(reasons))]


def clips_of_video(
    network: Network, bundle: Bundle, crops: Sequence[Crop]
) -> tuple[list[ScoredClip], list[str]]:
    """Return a video's clips, and why each face without one could not be judged.

    Args:
        network: of a detector over time.
        bundle: that detector.
        crops: of one video.

    Raises:
        ManifestError: the detector looks at more than was stored.
    """
    known = [n for n, crop in enumerate(crops) if crop.record.landmarks is not None]
    ordered = sorted(known, key=lambda n: _in_time(crops[n].record))
    clips: list[ScoredClip] = []
    reasons = [] if known else [_UNKNOWN]
    for track, group in groupby(ordered, key=lambda n: crops[n].record.track):
        places = np.array(list(group))
        scored = _score(network, bundle, [crops[n] for n in places])
        verdict = judge_track(scored, bundle.manifest, still=False)
        if verdict.logit is None:
            reasons.append(f"cannot judge: face {track}: {verdict.reason}")
            continue
        clips += _clips(crops, places, scored, bundle)
    return clips, reasons


def _in_time(record: CropRecord) -> tuple[int, int]:
    return record.track or 0, record.frame_index or 0


def _score(network: Network, bundle: Bundle, crops: Sequence[Crop]) -> list[KeyFrame]:
    """Return the key frames of a track with the scores of their clips."""
    faces = [_cut(crop, bundle) for crop in crops]
    keys = [_key_frame(crop.record) for crop in crops]
    return score_track(network, keys, faces, bundle.manifest)


def _clips(
    crops: Sequence[Crop], places: Positions, scored: Sequence[KeyFrame], bundle: Bundle
) -> list[ScoredClip]:
    """Return the clips of a track whose crops lie at some places of a video's."""
    if bundle.manifest.clip is None:
        raise ValueError(f"the detector {bundle.manifest.name!r} judges no clips")
    positions = place_clips(fit_for_clips(scored), bundle.manifest.clip)
    return [
        ScoredClip(_row(crops[places[chosen[0]]].record, unit), places[chosen])
        for unit, chosen in zip(scored_units(scored), positions, strict=True)
    ]


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
