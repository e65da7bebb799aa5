"""Scoring one video after the other: what a worker process does.

A video goes through the two passes of a scan, and a face that a scan could not judge gives no row.
Whatever goes wrong becomes a row with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle.devices import Device
from unmask.bundle.framing import Crops, batch, cut_views, split_views
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.errors import UnmaskError
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import ScanSettings
from unmask.crops.record import CropRecord
from unmask.datasets.footage import files_of, read_crop, read_folder, read_video
from unmask.datasets.manifest import VideoRecord
from unmask.evaluation.predictions import PredictionRow
from unmask.scanner.clip_scoring import score_track
from unmask.scanner.face_cuts import choose_faces, cut_faces
from unmask.scanner.scoring import score_key_frame, sharpness
from unmask.scanner.verdict import judge_track

Pixels = NDArray[np.uint8]
Rows = list[PredictionRow]
_ONE_PICTURE = "cannot judge: one crop, and the detector judges clips"


def fail(record: VideoRecord, reason: str) -> PredictionRow:
    """Return the row of a manifest's video that could not be scored."""
    return PredictionRow(CropRecord.of_video(record), status="failed", reason=reason)


class VideoScorer:
    """Scores one video of a manifest after the other; lives in a worker process.

    Args:
        bundle: the detector.
        settings: how videos are looked at.
        root: the data set's folder.
        device: what the network runs on.
    """

    def __init__(
        self, bundle: Bundle, settings: ScanSettings, root: Path, *, device: Device = "cpu"
    ) -> None:
        self._manifest, self._views = bundle.manifest, bundle.views
        self._settings = settings
        self._root = root
        self._network = Network(bundle, threads=1, device=device)

    def reads(self, record: VideoRecord) -> list[Path]:
        """Return what scoring a video opens."""
        return files_of(record, self._root)

    def score(self, record: VideoRecord) -> Rows:
        """Return a video's rows; a failure is a row too."""
        try:
            read = self._of_crop if record.kind == "crop" else self._of_footage
            return read(record)
        except UnmaskError as error:
            return [fail(record, error.message)]
        except Exception as error:  # noqa: BLE001 - one video's failure must not touch another's
            return [fail(record, f"{type(error).__name__}: {error}")]

    def _of_crop(self, record: VideoRecord) -> Rows:
        """Score a picture that is a face crop already, whole."""
        if self._manifest.clip is not None:
            return [fail(record, _ONE_PICTURE)]
        pixels = read_crop(self._root, record.id, self._settings.limits)
        crops = split_views(Image.fromarray(pixels), self._views)
        logit = float(self._network.run(batch([crops])).logits[0])
        crop = replace(CropRecord.of_video(record), track=1, frame_index=0)
        return [PredictionRow(crop, sharpness=sharpness(crops[0]), logit=logit)]

    def _of_footage(self, record: VideoRecord) -> Rows:
        read = read_folder if record.kind == "frames" else read_video
        footage = read(Path(self._root, record.id), self._settings)
        chosen = choose_faces(footage.tracks, footage.codec_keys, self._settings)
        if not chosen:
            reason = f"no face was found in {footage.frames_sampled} frames"
            return [PredictionRow(CropRecord.of_video(record), status="empty", reason=reason)]
        frames: list[tuple[int, KeyFrame]] = []
        cuts: list[Crops] = []
        looked_at: dict[int, list[KeyFrame]] = {each.track.id: [] for each in chosen}
        cut = partial(cut_views, views=self._views)
        for face in cut_faces(footage.pictures(chosen), cut, detector=footage.detector):
            if face.key_frame.unusable is not None:
                looked_at[face.track.id].append(face.key_frame)
                continue
            cuts.append(face.cut)
            frames.append((face.track.id, face.key_frame))
        for track, faces in self._scored(frames, cuts).items():
            looked_at[track] += faces
        return self._judged(record, looked_at, timed=footage.seconds is not None)

    def _scored(
        self, frames: Sequence[tuple[int, KeyFrame]], cuts: Sequence[Crops]
    ) -> dict[int, list[KeyFrame]]:
        """Return key frames with their scores by track."""
        tracks: dict[int, list[KeyFrame]] = defaultdict(list)
        if not cuts:
            return tracks
        if self._manifest.clip is not None:
            return self._scored_clips(frames, cuts)
        logits = self._network.run(batch(cuts)).logits
        for (track, key), cut, logit in zip(frames, cuts, logits, strict=True):
            tracks[track].append(score_key_frame(key, cut[0], logit, self._manifest.judgeable))
        return tracks

    def _scored_clips(
        self, frames: Sequence[tuple[int, KeyFrame]], cuts: Sequence[Crops]
    ) -> dict[int, list[KeyFrame]]:
        """Return key frames with the scores of their clips by track."""
        tracks: dict[int, list[tuple[KeyFrame, Crops]]] = defaultdict(list)
        for (track, key), cut in zip(frames, cuts, strict=True):
            tracks[track].append((key, cut))
        scored = {}
        for track, pairs in tracks.items():
            keys, faces = zip(*sorted(pairs, key=lambda pair: pair[0].frame_index), strict=True)
            scored[track] = score_track(self._network, keys, faces, self._manifest)
        return scored

    def _judged(
        self, record: VideoRecord, tracks: dict[int, list[KeyFrame]], *, timed: bool
    ) -> Rows:
        """Return the rows of the tracks that a scan would judge."""
        verdicts = {
            track: judge_track(frames, self._manifest, still=False)
            for track, frames in tracks.items()
        }
        judged = [track for track, verdict in verdicts.items() if verdict.logit is not None]
        if not judged:
            reasons = "; ".join(f"face {t}: {v.reason}" for t, v in sorted(verdicts.items()))
            return [fail(record, f"cannot judge: {reasons}")]
        video = CropRecord.of_video(record)
        return [
            PredictionRow(
                replace(
                    video,
                    track=track,
                    frame_index=frame.frame_index,
                    pts_seconds=frame.pts_seconds if timed else None,
                    face_px=frame.face_px,
                ),
                sharpness=frame.sharpness,
                logit=frame.logit,
            )
            for track in sorted(judged)
            for frame in scored_units(tracks[track])
        ]


def scored_units(frames: Sequence[KeyFrame]) -> list[KeyFrame]:
    """Return the key frames of a track that are rows: of a clip its first, with the clip's medians.

    Args:
        frames: in order of time.
    """
    used = [frame for frame in frames if frame.unusable is None and frame.logit is not None]
    clips: dict[int, list[KeyFrame]] = defaultdict(list)
    for frame in used:
        if frame.clip is not None:
            clips[frame.clip].append(frame)
    if not clips:
        return used
    return [
        replace(
            each[0],
            face_px=median(frame.face_px for frame in each),
            sharpness=median(frame.sharpness or 0.0 for frame in each),
        )
        for _, each in sorted(clips.items())
    ]
