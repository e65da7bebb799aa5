"""From a file to an explained verdict: the one composer of the rooms below.

    probe -> first pass (luma, faces, tracks, differences) -> key frames -> second pass (RGB crops)
          -> network -> calibration, verdict -> saliency maps -> Scan

A `Scanner` holds what is loaded once (detector bundle, network, face detector) and scans files one
by one. It writes nothing and prints nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.calibration import calibrate
from unmask.bundle.catalogue import SHIPPED, find
from unmask.bundle.detector import Detector
from unmask.bundle.devices import Device
from unmask.bundle.framing import Crops, batch, cut_views, face_square
from unmask.bundle.manifest import Bundle, BundleManifest, load_bundle, shipped_folder
from unmask.bundle.runtime import SCAN_BATCH, Network, Output, ViewOutput, preprocess
from unmask.core.face import Box
from unmask.core.media import VideoInfo
from unmask.core.scan import KeyFramePicture, SaliencyMap, Scan, Still
from unmask.core.scan_record import (
    SCHEMA_VERSION,
    Coverage,
    Curve,
    DetectorInfo,
    KeyFrame,
    MissRate,
    Person,
    ScanRecord,
    TrackResult,
    ViewScore,
)
from unmask.core.settings import ScanSettings
from unmask.explain import BundleNetwork, Differentiable, Evidence, check_methods, explain
from unmask.explain.agreement import mean_agreement
from unmask.explain.clips import FrameEffect, FrameOfClip, frame_effects
from unmask.explain.faithfulness_results import stated_faithfulness
from unmask.explain.methods import OF_FEATURES
from unmask.explain.network import check_bundle_methods
from unmask.explain.regions import shares
from unmask.faces.detector import create
from unmask.faces.persons import group
from unmask.scanner import keyframes
from unmask.scanner.clip_scoring import ScoredClip, assess_track, fit_for_clips, score_clips
from unmask.scanner.credentials import content_credentials
from unmask.scanner.custody import custody, now
from unmask.scanner.face_cuts import choose_faces, cut_faces
from unmask.scanner.likelihood import explain_silence
from unmask.scanner.passes import (
    DETECTOR_THREADS,
    ChosenFrames,
    FirstPass,
    Progress,
    chosen_pictures,
    face_px,
    first_pass,
)
from unmask.scanner.repetition import repeat_command, settings_table
from unmask.scanner.scoring import score_key_frame as scored_key_frame
from unmask.scanner.segments import segments
from unmask.scanner.stills import box_path, still
from unmask.scanner.verdict import judge_track, judge_video
from unmask.system.background import Background
from unmask.system.provenance import versions
from unmask.system.stages import stage
from unmask.video import TriagePass

_LOG = logging.getLogger(__name__)

_SMALL_SAMPLE_FRAMES = 8
_CURVE_DIGITS = 3
_MAX_STILLS = 240
"""Most whole frames that are kept of a file, some 10 MB."""


@dataclass(frozen=True, eq=False)
class _Crop:
    """A key frame's crops, as cut in the second pass."""

    track_id: int
    key_frame: KeyFrame
    views: Crops
    square: Box

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The first view's crop, which is shown."""
        return self.views[0]

    def landmarks(self) -> NDArray[np.float64]:
        """Return the landmarks in pixels of the shown crop, `(5, 2)`."""
        scale = self.pixels.shape[0] / (self.square[2] - self.square[0])
        points: NDArray[np.float64] = np.array(self.key_frame.landmarks) - self.square[:2]
        scaled: NDArray[np.float64] = points * scale
        return scaled


class Scanner:
    """A loaded detector that scans files.

    Args:
        detector: a folder, a name that `unmask detectors list` shows, `owner/name` on the Hub, or
            a loaded `Detector`; None for the one that comes with the package.
        settings: how videos are looked at.
        threads: threads of the detector's network; a loaded `Detector` has its own.
        device: what that runs on, `auto`, `cpu` or `cuda`; likewise.

    Raises:
        InputNotFound: there is no such detector.
        BundleError: the bundle cannot be used, or lacks what a method of explaining needs.
        ValueError: the settings name an unknown selector, face detector or method of explaining.
    """

    @stage("loading networks")
    def __init__(
        self,
        detector: str | Path | Detector | None = None,
        *,
        settings: ScanSettings | None = None,
        threads: int = 2,
        device: Device = "cpu",
    ) -> None:
        self.settings = settings or ScanSettings()
        keyframes.selector(self.settings.selector)
        check_methods(self.settings.explain)
        self._face_detector = create(self.settings.face_detector, threads=DETECTOR_THREADS)
        if isinstance(detector, Detector):
            self.bundle = detector.bundle
            self._networks: Network | Background[Network] = detector.network
        else:
            self.bundle = load_bundle(find(detector or SHIPPED))
            load = stage("loading networks")(
                partial(
                    Network,
                    self.bundle,
                    threads=threads,
                    device=device,
                    logits_only=not self.settings.explain,
                )
            )
            # A file can be read meanwhile; what others made may be unusable: that is refused now.
            self._networks = Background(load) if detector is None else load()
        self._given_detector = _name_for_command(detector)
        self.settings = _with_maps_that_can_be(self.settings, self.bundle)
        check_bundle_methods(self.bundle, self.settings.explain)

    @cached_property
    def _network(self) -> Network:
        networks = self._networks
        return networks.value() if isinstance(networks, Background) else networks

    @cached_property
    def _explained(self) -> BundleNetwork:
        return BundleNetwork(self.bundle, network=self._network)

    def scan(self, path: str | Path, *, progress: Progress | None = None) -> Scan:
        """Scan one file.

        Args:
            path: a video, an animation or a picture.
            progress: told how far the scan is.

        Raises:
            InputError: the file cannot be used.
            DecodeError: nothing in it could be decoded.
        """
        return self.scan_first(self.first_pass(path, progress), progress)

    def first_pass(
        self,
        path: str | Path,
        progress: Progress | None = None,
        *,
        opened: Callable[[VideoInfo], object] | None = None,
    ) -> FirstPass:
        """Follow the faces of one file, for `scan_first`; raises what `scan` does.

        Args:
            path: as for `scan`.
            progress: as for `scan`.
            opened: told what the file says of itself, before its pictures are read.
        """
        detector, started = self._face_detector, now()
        first = first_pass(
            path, self.settings, detector=detector, progress=progress, opened=opened, keep=True
        )
        return replace(first, started=started)

    def scan_first(self, first: FirstPass, progress: Progress | None = None) -> Scan:
        """Scan a file whose first pass is done, as `scan` does."""
        chosen = choose_faces(first.tracks, first.codec_keys, self.settings)
        stills: dict[int, Still] = {}
        crops = self._cut(first, chosen, progress, stills)
        fit = [crop for crop in crops if crop.key_frame.unusable is None]
        unfit = [crop for crop in crops if crop.key_frame.unusable is not None]
        if self.bundle.manifest.clip is None:
            scored, pictures = self._score(fit, progress)
        else:
            scored, pictures = self._score_clips(fit, progress)
        pictures += [self._bare_picture(crop) for crop in unfit]
        pictures.sort(key=lambda p: (p.track_id, p.frame_index))
        crops = sorted(scored + unfit, key=lambda c: (c.track_id, c.key_frame.frame_index))
        by_track: dict[int, list[KeyFrame]] = {c.track.id: [] for c in chosen}
        for crop in crops:
            by_track[crop.track_id].append(crop.key_frame)
        still = first.is_single_picture
        tracks = tuple(self._track(c, tuple(by_track[c.track.id]), still) for c in chosen)
        stated = stated_faithfulness(self.bundle.manifest, self.settings.explain)
        return Scan(
            self._result(first, tracks),
            tuple(pictures),
            stated,
            stills=tuple(each for _, each in sorted(stills.items())),
            paths=tuple(box_path(each.track) for each in chosen),
        )

    @stage("cutting crops")
    def _cut(
        self,
        first: FirstPass,
        chosen: Sequence[ChosenFrames],
        progress: Progress | None,
        stills: dict[int, Still],
    ) -> list[_Crop]:
        """Cut the faces out of the key frames; put the frames, reduced, among the stills."""
        total = sum(len(each.positions) for each in chosen)
        crops: list[_Crop] = []
        pictures = chosen_pictures(first, chosen, self.settings.limits)
        cut = partial(cut_views, views=self.bundle.views)
        for face in cut_faces(pictures, cut, detector=self._face_detector):
            key, picture = face.key_frame, face.picture
            if key.frame_index not in stills and len(stills) < _MAX_STILLS:
                whole = (
                    picture if isinstance(picture, np.ndarray) else first.reduced(key.frame_index)
                )
                if whole is not None:
                    stills[key.frame_index] = still(key.frame_index, whole)
            square = face_square(key.box, self.bundle.manifest.preprocessing)
            crops.append(_Crop(face.track.id, key, face.cut, square))
            if progress:
                progress("key frames", len(crops) / total)
        return sorted(crops, key=lambda c: (c.track_id, c.key_frame.frame_index))

    def _score(
        self, crops: list[_Crop], progress: Progress | None
    ) -> tuple[list[_Crop], list[KeyFramePicture]]:
        """Run the network over all crops; note scores, sharpness and what cannot be used.

        What the maps are made from is held for one batch at a time.
        """
        manifest = self.bundle.manifest
        scored: list[_Crop] = []
        pictures: list[KeyFramePicture] = []
        for start in range(0, len(crops), SCAN_BATCH):
            few = crops[start : start + SCAN_BATCH]
            faces = batch([crop.views for crop in few])
            output = self._network.run(faces, evidence=bool(self.settings.explain))
            probabilities = calibrate(output.logits.astype(np.float64), manifest.calibration)
            for number, crop in enumerate(few):
                one = _one(output, number)
                picture = self._picture(crop, one)
                key = scored_key_frame(
                    crop.key_frame, crop.pixels, output.logits[number], manifest.judgeable
                )
                key = replace(
                    key,
                    probability=float(probabilities[number]),
                    views=self._view_scores(one),
                    explained_view=picture.view,
                )
                scored.append(replace(crop, key_frame=key))
                pictures.append(picture)
                if progress:
                    progress("scoring", len(scored) / len(crops))
        return scored, pictures

    def _score_clips(
        self, crops: list[_Crop], progress: Progress | None
    ) -> tuple[list[_Crop], list[KeyFramePicture]]:
        """Run a network over time over the clips of each track; as of `_score`."""
        scored: list[_Crop] = []
        pictures: list[KeyFramePicture] = []
        for _, of_one in groupby(crops, key=lambda crop: crop.track_id):
            of_track, shown = self._score_track(list(of_one))
            scored += of_track
            pictures += shown
            if progress:
                progress("scoring", len(scored) / len(crops))
        return scored, pictures

    def _score_track(self, crops: Sequence[_Crop]) -> tuple[list[_Crop], list[KeyFramePicture]]:
        manifest, explained = self.bundle.manifest, bool(self.settings.explain)
        faces = [crop.views for crop in crops]
        keys = assess_track([crop.key_frame for crop in crops], faces, manifest)
        shown = [self._bare_picture(crop) for crop in crops]
        for clip in score_clips(
            self._network, faces, manifest, usable=fit_for_clips(keys), evidence=explained
        ):
            probability = float(calibrate(np.array([clip.logit]), manifest.calibration)[0])
            effects = self._frame_effects(clip) if explained else {}
            for position in {int(each) for each in clip.positions}:
                effect = effects.get(position)
                keys[position] = replace(
                    keys[position],
                    logit=clip.logit,
                    probability=probability,
                    clip=clip.number,
                    logit_change=None if effect is None else effect.logit_change,
                    gradient_norm=None if effect is None else effect.gradient_norm,
                )
                if explained:
                    shown[position] = self._clip_picture(crops[position], clip, position)
        pairs = zip(crops, keys, strict=True)
        return [replace(crop, key_frame=key) for crop, key in pairs], shown

    @stage("maps")
    def _frame_effects(self, clip: ScoredClip) -> dict[int, FrameEffect]:
        """Cover each frame of a clip in turn."""
        image = preprocess(clip.crops[0], self.bundle.manifest.preprocessing)[0]
        return frame_effects(
            self._explained,
            image,
            clip.positions,
            clip.logit,
            gradients=self.bundle.has_input_gradient,
        )

    @stage("maps")
    def _clip_picture(self, crop: _Crop, clip: ScoredClip, position: int) -> KeyFramePicture:
        """Explain one frame of a clip: what moved the clip's logit in it."""
        images = preprocess(clip.crops[0], self.bundle.manifest.preprocessing)[0]
        places = np.flatnonzero(clip.positions == position)
        frame = FrameOfClip(self._explained, images, places)
        evidence = frame.evidence_from(self._explained.evidence_from(clip.output))
        return self._with_maps(crop, frame, images[places[:1]], evidence)

    def _bare_picture(self, crop: _Crop) -> KeyFramePicture:
        return KeyFramePicture(
            crop.track_id, crop.key_frame.frame_index, crop.pixels, (), other_crops=crop.views[1:]
        )

    def _view_scores(self, output: Output) -> tuple[ViewScore, ...]:
        """Return what each of several views says of one crop."""
        if len(self.bundle.views) == 1:
            return ()
        return tuple(
            ViewScore(view.name, float(each.logits[0]), float(contribution[0]))
            for view, each, contribution in zip(
                self.bundle.views, output.views, output.contributions, strict=True
            )
        )

    @stage("maps")
    def _picture(self, crop: _Crop, output: Output) -> KeyFramePicture:
        """Explain one crop from its scoring pass; maps do not depend on the others."""
        if not self.settings.explain:
            return self._bare_picture(crop)
        image = preprocess(crop.pixels[None], self.bundle.manifest.preprocessing)
        evidence = self._explained.evidence_from(output)
        if len(self.bundle.views) > 1 and "occlusion" in self.settings.explain:
            # what it covers is the shown crop, so what it compares with must come from that too
            evidence = replace(evidence, logits=self._explained.logits(image))
        picture = self._with_maps(crop, self._explained, image, evidence)
        return replace(picture, view=self._shown_view(output))

    def _with_maps(
        self, crop: _Crop, model: Differentiable, image: NDArray[np.float32], evidence: Evidence
    ) -> KeyFramePicture:
        methods, seed = self.settings.explain, self.settings.seed
        result = explain(model, image, methods, seed=seed, evidence=evidence)
        maps = tuple(
            SaliencyMap(
                name, m.scaled[0], m.raw[0], m.empty[0], shares(m.scaled[0], crop.landmarks())
            )
            for name, m in result.items()
        )
        agreement = mean_agreement([each.values for each in maps])
        return replace(self._bare_picture(crop), maps=maps, agreement=agreement)

    def _shown_view(self, output: Output) -> str | None:
        """Name the view that feature maps show of one crop, where there are several."""
        if len(self.bundle.views) == 1 or OF_FEATURES.isdisjoint(self.settings.explain):
            return None
        return self.bundle.views[int(self._explained.shown(output.contributions)[0])].name

    def _track(
        self, chosen: ChosenFrames, key_frames: tuple[KeyFrame, ...], still: bool
    ) -> TrackResult:
        track = chosen.track
        manifest = self.bundle.manifest
        return TrackResult(
            id=track.id,
            start_seconds=float(track.pts_seconds[0]),
            end_seconds=float(track.pts_seconds[-1]),
            frames_sampled=len(track),
            median_face_px=float(np.median(face_px(track.boxes))),
            key_frames=key_frames,
            verdict=judge_track(key_frames, manifest, still=still, seed=self.settings.seed),
            curve=Curve(
                pts_seconds=_round(track.pts_seconds),
                difference=tuple(
                    None if np.isnan(d) else round(float(d), _CURVE_DIGITS)
                    for d in track.differences
                ),
                smoothed=_round(chosen.smoothed),
            ),
        )

    def _result(self, first: FirstPass, tracks: tuple[TrackResult, ...]) -> ScanRecord:
        manifest = self.bundle.manifest
        verdict = judge_video(
            {t.id: t.verdict for t in tracks},
            manifest,
            why_none=_why_none(first),
        )
        return ScanRecord(
            schema_version=SCHEMA_VERSION,
            video=first.info,
            verdict=verdict,
            tracks=tracks,
            coverage=coverage(first, tracks, self.settings),
            warnings=tuple(warnings(first, tracks, manifest)),
            detector=DetectorInfo(
                name=manifest.name,
                sha256=self.bundle.sha256,
                calibration=manifest.calibration.data,
                limits=manifest.limits,
                misses=tuple(
                    MissRate(rate.method, rate.missed, rate.videos)
                    for rate in manifest.method_rates
                ),
            ),
            settings=settings_table(self.settings),
            versions=versions(),
            command=repeat_command(first.info.path, self.settings, self._given_detector),
            persons=persons(first, tracks),
            credentials=content_credentials(first.info.path),
            custody=custody(first.info.path, first.started or now()),
            segments=segments(tracks, still=first.info.kind == "image"),
        )


def persons(first: FirstPass, tracks: Sequence[TrackResult]) -> tuple[Person, ...]:
    """Group the faces that were looked at by person."""
    looked_at = {track.id for track in tracks}
    groups = group([track for track in first.tracks if track.id in looked_at])
    return tuple(Person(number, each) for number, each in enumerate(groups, start=1))


def _name_for_command(detector: str | Path | Detector | None) -> str | Path | None:
    """Return what names a detector on a command line; None for the shipped one."""
    if not isinstance(detector, Detector):
        return detector
    folder = detector.bundle.folder
    return None if folder == shipped_folder() else folder


def list_passing(tracks: Sequence[TrackResult], settings: ScanSettings) -> tuple[TrackResult, ...]:
    """Return the faces that were not judged and only passed by, beside others that were judged.

    They are none where they span together more than a small share of the time that was judged: many
    short faces are not passers-by but a video that could not be judged.
    """
    brief = tuple(
        t
        for t in tracks
        if t.verdict.word == "cannot judge" and _span_seconds(t) < settings.passing_seconds
    )
    judged_seconds = sum(_span_seconds(t) for t in tracks if t.verdict.word != "cannot judge")
    few = sum(map(_span_seconds, brief)) <= settings.passing_share * judged_seconds
    return brief if few and judged_seconds > 0 else ()


def coverage(first: FirstPass, tracks: tuple[TrackResult, ...], settings: ScanSettings) -> Coverage:
    """Count what was analysed and list what was not."""
    read = first.coverage
    passed = list_passing(tracks, settings)
    covered: set[int] = set()
    for track in first.tracks:
        covered.update(int(i) for i in track.frame_indices)
    reasons = list(read.not_analysed)
    left_out = len(first.tracks) - len(tracks)
    if left_out:
        reasons.append(f"{left_out} faces over the limit of {len(tracks)} per video")
    reasons += [
        f"face {t.id}: {t.verdict.reason}"
        for t in tracks
        if t.verdict.word == "cannot judge" and t not in passed
    ]
    without = read.frames_sampled - len(covered)
    return Coverage(
        complete=not reasons and bool(tracks),
        seconds_analysed=read.seconds_analysed,
        seconds_from_header=first.info.duration_seconds,
        frames_decoded=read.frames_decoded,
        frames_sampled=read.frames_sampled,
        frames_without_face=without,
        tracks_found=len(first.tracks),
        tracks_judged=sum(t.verdict.word != "cannot judge" for t in tracks),
        not_analysed=tuple(reasons if tracks else [*reasons, "no face was found"]),
        passing=tuple(
            f"face {t.id}, {t.start_seconds:.1f}-{t.end_seconds:.1f} s: {t.verdict.reason}"
            for t in passed
        ),
        doubtful=tuple(
            f"{t.pts_seconds[0]:.1f}-{t.pts_seconds[-1]:.1f} s, {np.median(face_px(t.boxes)):.0f} "
            f"px: the face detector's confidence is {t.confidence:.2f} at most"
            for t in first.doubtful
        ),
        missing_ratio=round(read.missing_ratio, 4),
        damaged_ratio=round(read.damaged_ratio, 4),
        frames_left_out=read.frames_left_out,
    )


def warnings(
    first: FirstPass, tracks: tuple[TrackResult, ...], manifest: BundleManifest
) -> list[str]:
    """Say what a reader should know before relying on the result."""
    lines = [
        f"face {t.id} is poorer than what the detector was calibrated on "
        f"({t.verdict.out_of_range}): its probability may be far off, and nothing more "
        "is said of it"
        for t in tracks
        if t.verdict.probability is not None and t.verdict.out_of_range is not None
    ]
    if isinstance(first.coverage, TriagePass) and not first.is_single_picture:
        lines.insert(
            0,
            f"triage: {first.coverage.frames_sampled} frames were looked at; a scan without "
            "--triage may find what the others show",
        )
    unstated = explain_silence(manifest, still=first.is_single_picture)
    if unstated is not None:
        lines.append(unstated)
    if first.info.transfer != "sdr":
        lines.append(
            f"HDR video ({first.info.transfer.upper()}): frames were tone-mapped; the detector "
            "knows standard video only"
        )
    seen_px, judged_px = first.least_face_px, manifest.judgeable.min_face_px
    if seen_px > judged_px:
        longest = max(first.info.width_px, first.info.height_px)
        side = longest * first.coverage.scale * seen_px / judged_px
        lines.append(
            f"faces under {seen_px:.0f} px may be unseen, and from {judged_px:.0f} px they could "
            f"be judged: seek them with --detect-long-side-px {math.ceil(side)}"
        )
    if any(
        t.verdict.probability is not None and t.verdict.frames_used < _SMALL_SAMPLE_FRAMES
        for t in tracks
        if not first.is_single_picture  # its verdict says so itself
    ):
        lines.append(f"a verdict rests on fewer than {_SMALL_SAMPLE_FRAMES} key frames")
    return lines


def _why_none(first: FirstPass) -> str:
    """Say why there is no face to be judged."""
    read = first.coverage
    if read.frames_sampled == 0:
        return f"all {read.frames_decoded} frames are damaged"
    clear = "clear " if first.doubtful else ""
    damaged = "undamaged " if read.damaged_ratio else ""
    return f"no {clear}face was found in {read.frames_sampled} sampled {damaged}frames"


def _with_maps_that_can_be(settings: ScanSettings, bundle: Bundle) -> ScanSettings:
    """Return the settings with occlusion where the default method is asked of a bare score."""
    if settings.explain != ScanSettings().explain or bundle.gives("features"):
        return settings
    _LOG.warning(
        "the detector %r gives no feature map: maps are by occlusion, not GradCAM",
        bundle.manifest.name,
    )
    return replace(settings, explain=("occlusion",))


def _one(output: Output, number: int) -> Output:
    """Return what a detector says of one crop of a batch."""
    one = slice(number, number + 1)
    views = tuple(
        ViewOutput(
            each.logits[one],
            *(
                None if values is None else values[one]
                for values in (each.features, each.gradients, each.attention, each.rollout)
            ),
        )
        for each in output.views
    )
    return Output(output.logits[one], output.contributions[:, one], views)


def _span_seconds(track: TrackResult) -> float:
    return track.end_seconds - track.start_seconds


def _round(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(v), _CURVE_DIGITS) for v in values)
