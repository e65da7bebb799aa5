"""Does one file's verdict survive compression, scaling, blur and the like?

The crops that the network saw are distorted, scored and judged again, with the same limits on size
and sharpness; a face that becomes too blurred cannot be judged any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from unmask.bundle.framing import Crops, batch
from unmask.bundle.manifest import Bundle, BundleManifest
from unmask.bundle.runtime import Network
from unmask.core.scan import Scan
from unmask.core.scan_record import KeyFrame, StressedVerdict
from unmask.core.verdicts import Verdict
from unmask.scanner.clip_scoring import score_track
from unmask.scanner.distortions import DISTORTIONS, Condition, list_conditions
from unmask.scanner.repetition import with_option
from unmask.scanner.scoring import score_key_frame as scored_key_frame
from unmask.scanner.verdict import judge_track, judge_video

_Place = tuple[int, int]
"""Track and frame."""


def stress_verdict(
    scan: Scan,
    bundle: Bundle,
    network: Network,
    *,
    still: bool,
    only: Sequence[str] = tuple(DISTORTIONS),
    progress: Callable[[str, float], object] | None = None,
) -> Scan:
    """Return a scan with its file's verdict under every distortion.

    Args:
        scan: with its pictures.
        bundle: the detector that made it.
        network: of that detector.
        still: whether the file was judged as a single picture (see `FirstPass.is_single_picture`).
        only: names of distortions.
        progress: told how many of the conditions are done.
    """
    conditions = list(list_conditions(only)) if scan.pictures else []
    verdicts: tuple[StressedVerdict, ...] = ()
    for number, condition in enumerate(conditions):
        if progress is not None:
            progress("stress", number / len(conditions))
        verdict = _judge(scan, bundle, network, condition, still)
        verdicts += (StressedVerdict(condition.distortion, condition.text, verdict),)
    command = with_option(scan.result.command, "--stress")
    return replace(scan, result=replace(scan.result, stress=verdicts, command=command))


def _judge(
    scan: Scan, bundle: Bundle, network: Network, condition: Condition, still: bool
) -> Verdict:
    result, manifest = scan.result, bundle.manifest
    seed = result.settings["seed"]
    keys = _score(scan, bundle, network, condition)
    verdicts = {
        track.id: judge_track(
            [keys.get((track.id, key.frame_index), key) for key in track.key_frames],
            manifest,
            still=still,
            seed=int(seed or 0),
        )
        for track in result.tracks
    }
    return judge_video(verdicts, manifest, why_none="no face was found")


def _score(
    scan: Scan, bundle: Bundle, network: Network, condition: Condition
) -> dict[_Place, KeyFrame]:
    """Return the key frames with a score by track and frame, scored under a condition."""
    keys_by_place = {
        (t.id, key.frame_index): key for t in scan.result.tracks for key in t.key_frames
    }
    pictures = [
        p for p in scan.pictures if keys_by_place[p.track_id, p.frame_index].logit is not None
    ]
    if not pictures:
        return {}
    faces = [
        tuple(condition.of(crop, seed=number) for crop in picture.crops)
        for number, picture in enumerate(pictures)
    ]
    keys = [(picture.track_id, picture.frame_index) for picture in pictures]
    if bundle.manifest.clip is not None:
        return _score_clips(
            {at: (keys_by_place[at], face) for at, face in zip(keys, faces, strict=True)},
            bundle.manifest,
            network,
        )
    logits = network.run(batch(faces)).logits
    limits = bundle.manifest.judgeable
    return {
        at: scored_key_frame(keys_by_place[at], changed[0], logit, limits)
        for at, changed, logit in zip(keys, faces, logits, strict=True)
    }


def _score_clips(
    faces: Mapping[_Place, tuple[KeyFrame, Crops]], manifest: BundleManifest, network: Network
) -> dict[_Place, KeyFrame]:
    """Return key frames with the score of their clip, by track and frame."""
    scored: dict[_Place, KeyFrame] = {}
    for _, places in groupby(sorted(faces), key=lambda place: place[0]):
        at = list(places)
        keys, crops = zip(*[faces[place] for place in at], strict=True)
        bare = [replace(key, unusable=None, logit=None, clip=None) for key in keys]
        scored |= zip(at, score_track(network, bare, crops, manifest), strict=True)
    return scored
