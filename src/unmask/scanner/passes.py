"""The passes over a video: what to look at, then the chosen frames in full.

    probe -> luma pass -> faces, tracks, differences -> key frames -> RGB of the chosen frames

Where the selector allows it, parts of the frames that may be chosen are kept on the way, and
nothing is decoded twice (`candidates`).

Whoever reads faces out of videos goes through here: the scan, the contact sheet, the crop store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.core.face import Box, Face, FaceTrack
from unmask.core.media import Frame, PicturePart, VideoInfo
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import Limits, ScanSettings
from unmask.faces.detector import FaceDetector, create
from unmask.faces.face_signal import measure
from unmask.faces.tracks import Tracker
from unmask.scanner import keyframes
from unmask.scanner.candidates import Candidates
from unmask.system.memory import return_freed_memory
from unmask.system.stages import stage, stage_of_each
from unmask.video import LumaPass, TriagePass, probe, read_frames, read_looks
from unmask.video.decode import FrameStamp

Progress = Callable[[str, float], None]
"""Called with the name of the stage and the share of it that is done, 0 to 1."""

DETECTOR_THREADS = 1
"""The decoder keeps the other cores busy; a second thread costs a fifth more and gains nothing."""

FEW_FRAMES = 2
"""A film of so few frames is judged like a picture: no more of it can ever be had."""

LEAST_QUICK_SECONDS = 3.0
"""Of a shorter film every frame is decoded: there are few to choose from."""
LEAST_QUICK_FPS = 20.0
"""Likewise of one with fewer frames per second: at half of them faces move far in between."""

MOST_REDUCTION = 2.5
"""Frames are reduced to no less than this part for the search, so that faces of 48 px, the least
that detectors judge, are found (YuNet finds them from 16 px, with steady boxes from 19)."""


@dataclass(frozen=True, eq=False)
class FirstPass:
    """What the first pass over a file gives."""

    info: VideoInfo
    """The file."""
    tracks: tuple[FaceTrack, ...]
    """Faces over time."""
    doubtful: tuple[FaceTrack, ...]
    """What may not be faces: never found with the detector's `sure_confidence`."""
    stamps: dict[int, FrameStamp]
    """Stamps of the sampled frames by index."""
    codec_keys: frozenset[int]
    """Indices of frames that the encoder made key frames."""
    coverage: LumaPass
    """The finished pass, for its counts."""
    least_face_px: float
    """Shorter side of a face, pixels of the original, below which it may have gone unseen."""
    started: datetime | None = None
    """When the pass began, UTC; None: not known."""
    kept: Candidates | None = None
    """Parts of the frames that may be chosen; None where none were to be kept."""

    def reduced(self, frame_index: int) -> NDArray[np.uint8] | None:
        """Return a whole frame of which a part was kept, reduced, `(h, w, 3)` RGB."""
        return None if self.kept is None else self.kept.reduced(frame_index)

    @property
    def is_single_picture(self) -> bool:
        """Whether one picture, or two, is all there is: a still, or a film that is whole."""
        read = self.coverage
        return self.info.kind == "image" or (read.frames_decoded <= FEW_FRAMES and read.is_whole)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"FirstPass({self.info.path!r}, {len(self.tracks)} tracks)"


@dataclass(frozen=True, eq=False)
class ChosenFrames:
    """The key frames of one track, and the signal they were chosen from."""

    track: FaceTrack
    """The track."""
    positions: NDArray[np.int64]
    """Positions in the track, ascending."""
    smoothed: NDArray[np.float64]
    """`(N,)` smoothed difference over the track."""


def first_pass(
    path: str | Path,
    settings: ScanSettings,
    *,
    detector: FaceDetector | None = None,
    progress: Progress | None = None,
    opened: Callable[[VideoInfo], object] | None = None,
    keep: bool = False,
) -> FirstPass:
    """Read a file once: probe it, follow its faces, measure their differences.

    Args:
        path: a video, an animation or a picture.
        settings: how it is looked at.
        detector: the settings' face detector, where it is loaded already.
        progress: told how far the reading is, after each frame.
        opened: told what the file says of itself, before its pictures are read.
        keep: whether parts of frames that may be chosen are kept, for `chosen_pictures`.

    Raises:
        InputError: the file cannot be used.
        DecodeError: nothing in it could be decoded.
    """
    info = stage("probe")(probe)(path, limits=settings.limits)
    if opened:
        opened(info)
    kind = TriagePass if settings.triage else LumaPass
    passing = kind(
        info,
        sample_fps=settings.sample_fps,
        long_side_px=_long_side_px(info, settings),
        limits=settings.limits,
        quick=_may_be_quick(info, settings),
    )
    detector = detector or create(settings.face_detector, threads=DETECTOR_THREADS)
    kept = _candidates(settings) if keep else None
    tracker, detections = _new_tracker(detector, settings, kept), []
    stamps: dict[int, FrameStamp] = {}
    codec_keys: set[int] = set()
    for frame in stage_of_each("waiting for the decoder", passing):
        stamps[frame.index] = frame.stamp
        if frame.codec_key:
            codec_keys.add(frame.index)
        if frame.starts_part:
            detections += tracker.finish()
            tracker = _new_tracker(detector, settings, kept)
        if kept is not None:
            kept.offer(frame)
        tracker.add(frame)
        if kept is not None:
            kept.let_go(frame.index, tracker.oldest_held)
        if progress:
            length = info.duration_seconds
            progress("reading", min(1.0, frame.pts_seconds / length) if length else 0.0)
    detections += tracker.finish()
    return_freed_memory()  # what comes next needs other pieces of it
    sure = [track for track in detections if track.confidence >= detector.sure_confidence]
    return FirstPass(
        info,
        tracks=tuple(replace(track, id=number) for number, track in enumerate(sure, start=1)),
        doubtful=tuple(t for t in detections if t.confidence < detector.sure_confidence),
        stamps=stamps,
        codec_keys=frozenset(codec_keys),
        coverage=passing,
        least_face_px=detector.least_face_px / passing.scale,
        kept=kept,
    )


def _may_be_quick(info: VideoInfo, settings: ScanSettings) -> bool:
    """Tell whether frames may be left out: enough others are there for the choice and the tracks.

    Selectors that choose by the difference to the frame before need all frames.
    """
    return (
        settings.quick
        and settings.selector in keyframes.FORESEEABLE
        and (info.duration_seconds or 0.0) >= LEAST_QUICK_SECONDS
        and (info.fps_from_header or 0.0) >= LEAST_QUICK_FPS
    )


def _candidates(settings: ScanSettings) -> Candidates | None:
    if settings.selector not in keyframes.FORESEEABLE:
        return None
    return Candidates(settings.selector, budget=settings.budget)


def _new_tracker(
    detector: FaceDetector, settings: ScanSettings, kept: Candidates | None
) -> Tracker:
    return Tracker(
        detector,
        # A triage has few frames: faces are searched for in each.
        every_seconds=0.0 if settings.triage else settings.detect_every_seconds,
        closely_seconds=settings.detect_closely_seconds,
        watcher=kept,
    )


def _long_side_px(info: VideoInfo, settings: ScanSettings) -> int:
    """Return the longer side of the reduced pictures that faces are searched in."""
    longest = max(info.width_px, info.height_px)
    return max(settings.detect_long_side_px, math.ceil(longest / MOST_REDUCTION))


def choose(first: FirstPass, track: FaceTrack, settings: ScanSettings) -> ChosenFrames:
    """Choose the key frames of a track of a file."""
    return choose_in(track, first.codec_keys, settings)


def choose_in(
    track: FaceTrack, codec_keys_at: frozenset[int], settings: ScanSettings
) -> ChosenFrames:
    """Choose the key frames of a track, given the frames that the encoder made key frames.

    Where another face is near, one may hide the other: frames apart from others come first.
    """
    smoothed = keyframes.smooth(track.differences.astype(np.float64), settings.smoothing_frames)
    codec_keys = np.array([int(i) in codec_keys_at for i in track.frame_indices])
    open_to_choice = _clear_positions(track)
    signal = keyframes.Signal(
        track.differences.astype(np.float64)[open_to_choice],
        smoothed[open_to_choice],
        codec_keys[open_to_choice],
    )
    positions = keyframes.select(
        settings.selector,
        signal,
        budget=settings.budget,
        seed=settings.seed,
        least=settings.least_key_frames,
    )
    return ChosenFrames(track, open_to_choice[positions], smoothed)


def _clear_positions(track: FaceTrack) -> NDArray[np.int64]:
    """Return where no other face is near a track; everywhere if that is nowhere."""
    everywhere = np.arange(len(track))
    if track.clear is None or not track.clear.any():
        return everywhere
    return everywhere[track.clear]


def heaviest(tracks: Sequence[FaceTrack], count: int) -> list[FaceTrack]:
    """Return at most `count` tracks, those with the greatest weight, in order of appearance."""
    ranked = sorted(tracks, key=weight, reverse=True)
    return sorted(ranked[:count], key=lambda track: track.id)


def weight(track: FaceTrack) -> float:
    """Return the rank of a track among others: its length times its size."""
    return len(track) * float(np.median(face_px(track.boxes)))


def face_px(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the shorter sides of boxes `(N, 4)`, pixels."""
    sides: NDArray[np.float32] = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return sides


def key_frame(chosen: ChosenFrames, position: int) -> KeyFrame:
    """Return what is known of a chosen frame before its face is cut out."""
    track = chosen.track
    measured = bool(np.isfinite(track.differences).any())
    points = tuple((float(x), float(y)) for x, y in track.landmarks[position])
    return KeyFrame(
        frame_index=int(track.frame_indices[position]),
        pts_seconds=float(track.pts_seconds[position]),
        box=_box(track, position),
        landmarks=points,  # type: ignore[arg-type]  # five, by the shape of the track's array
        face_px=float(face_px(track.boxes[position : position + 1])[0]),
        difference=float(chosen.smoothed[position]) if measured else None,
    )


def _box(track: FaceTrack, position: int) -> Box:
    x0, y0, x1, y1 = (float(v) for v in track.boxes[position])
    return x0, y0, x1, y1


def measured_key_frame(
    detector: FaceDetector,
    picture: NDArray[np.uint8] | PicturePart,
    chosen: ChosenFrames,
    position: int,
) -> KeyFrame:
    """Return a chosen frame with the face as it is detected there, and why it is unfit, if so.

    Args:
        detector: the one of the first pass.
        picture: the frame in full, or the part of it around the face.
        chosen: the choice that asked for it.
        position: in the track.
    """
    key, track = key_frame(chosen, position), chosen.track
    known = track.detected is not None and bool(track.detected[position])
    expected = Face(key.box, key.landmarks, track.confidence)
    measurement = measure(detector, picture, expected, looks=track.looks, detected_before=known)
    x0, y0, x1, y1 = measurement.face.box
    return replace(
        key,
        box=measurement.face.box,
        landmarks=measurement.face.landmarks,
        face_px=min(x1 - x0, y1 - y0),
        measured=measurement.detected,
        unusable=measurement.fault,
    )


def wanted_at(chosen: Sequence[ChosenFrames]) -> dict[int, list[tuple[ChosenFrames, int]]]:
    """Return who asked for each frame, with the position in that track, by ascending index."""
    by_frame: dict[int, list[tuple[ChosenFrames, int]]] = {}
    for each in chosen:
        for position in each.positions:
            index = int(each.track.frame_indices[position])
            by_frame.setdefault(index, []).append((each, int(position)))
    return dict(sorted(by_frame.items()))


def chosen_pictures(
    first: FirstPass, chosen: Sequence[ChosenFrames], limits: Limits
) -> Iterator[tuple[NDArray[np.uint8] | PicturePart, ChosenFrames, int]]:
    """Yield the chosen frames at full size: those that were kept, then all others, decoded again.

    Yields:
        The picture or its part around the face, the choice that asked for it, and its position in
        that track.
    """
    left = []
    for each in chosen:
        lacking = []
        for position in each.positions.tolist():
            part = _kept_part(first, each.track, position, limits)
            if part is None:
                lacking.append(position)
            else:
                yield part, each, position
        if lacking:
            left.append(replace(each, positions=np.array(lacking)))
    for frame, each, position in decode_chosen(first, left, limits):
        yield frame.image, each, position


def _kept_part(
    first: FirstPass, track: FaceTrack, position: int, limits: Limits
) -> PicturePart | None:
    index, box = int(track.frame_indices[position]), _box(track, position)
    part = None if first.kept is None else first.kept.find(index, box)
    if part is None:
        return None
    return part.picture(lambda: next(_frames_at(first, [first.stamps[index]], limits)).image)


def decode_chosen(
    first: FirstPass, chosen: Sequence[ChosenFrames], limits: Limits
) -> Iterator[tuple[Frame, ChosenFrames, int]]:
    """Decode the key frames of all tracks in full, in order of time, each frame once.

    Yields:
        The frame, the choice that asked for it, and its position in that track.
    """
    by_frame = wanted_at(chosen)
    stamps = [first.stamps[index] for index in by_frame]
    frames = _frames_at(first, stamps, limits)
    for frame in stage_of_each("decoding key frames", frames):
        for each, position in by_frame[frame.index]:
            yield frame, each, position


def _frames_at(first: FirstPass, stamps: Sequence[FrameStamp], limits: Limits) -> Iterator[Frame]:
    """Return the reader of full frames that fits the first pass."""
    index = first.coverage.index if isinstance(first.coverage, TriagePass) else None
    if index is None:
        return read_frames(first.info, stamps, limits=limits)
    return read_looks(first.info, index, stamps, limits=limits)
