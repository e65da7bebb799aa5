"""Does one file's verdict survive compression, scaling, blur and the like?

The crops that the network saw are distorted, scored and judged again, with the same limits on size
and sharpness; a face that becomes too blurred cannot be judged any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from unmask.bundle.framing import batch
from unmask.bundle.manifest import Bundle
from unmask.bundle.runtime import Network
from unmask.core.scan import Scan
from unmask.core.scan_record import KeyFrame, StressedVerdict
from unmask.core.verdicts import Verdict
from unmask.scanner.distortions import DISTORTIONS, Condition, list_conditions
from unmask.scanner.repetition import with_option
from unmask.scanner.scoring import score_key_frame as scored_key_frame
from unmask.scanner.verdict import judge_track, judge_video


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
) -> dict[tuple[int, int], KeyFrame]:
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
    logits = network.run(batch(faces)).logits
    limits = bundle.manifest.judgeable
    keys = [(picture.track_id, picture.frame_index) for picture in pictures]
    return {
        at: scored_key_frame(keys_by_place[at], changed[0], logit, limits)
        for at, changed, logit in zip(keys, faces, logits, strict=True)
    }
