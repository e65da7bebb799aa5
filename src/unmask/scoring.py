"""From logits of key frames to a verdict on a face, and from faces to a verdict on a video.

A track's number is the mean logit over its usable key frames; a video's is that of its most
suspicious track. Thresholds, calibration and the limits of what can be judged come from the
detector's bundle. Where nothing reliable can be said, the verdict is 'cannot judge' with a reason;
nothing is silently counted as real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.bundle import BundleManifest, Calibration, Judgeable
from unmask.likelihood import out_of_range, stated
from unmask.settings import REPLICATES
from unmask.values import KeyFrame, Landmarks, Verdict, Word

Values = NDArray[np.float64]

_SHARPNESS_SIDE_PX = 128
_SUSPICION: tuple[Word, ...] = ("little evidence", "some evidence", "substantial evidence")


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of a crop's luma at 128 px: low means blurred.

    Args:
        crop: `(S, S, 3)` RGB.
    """
    side = _SHARPNESS_SIDE_PX
    grey = Image.fromarray(crop).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    luma = np.asarray(grey, dtype=np.float64)
    centre = luma[1:-1, 1:-1]
    ring = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((ring - 4 * centre).var())


def turn(landmarks: Landmarks) -> float:
    """Return how far a head is turned to the side: 0 is frontal, a profile is 1 or more.

    The nose's distance from the middle between the eyes, along the line through the eyes, in
    distances between the eyes.
    """
    left, right, nose = (np.array(point, dtype=np.float64) for point in landmarks[:3])
    across = right - left
    square = float(across @ across)
    if square == 0:
        return float("inf")
    return abs(float((nose - (left + right) / 2) @ across)) / square


def scored(
    key_frame: KeyFrame, crop: NDArray[np.uint8], logit: float, limits: Judgeable
) -> KeyFrame:
    """Return a key frame with its logit, its sharpness, and why it cannot be used, if so.

    Args:
        key_frame: with face size and landmarks.
        crop: `(S, S, 3)` RGB, what the network saw.
        logit: the network's output.
        limits: the detector's.
    """
    found = replace(key_frame, sharpness=sharpness(crop), logit=float(logit))
    return replace(found, unusable=_unusable_reason(found, limits))


def _unusable_reason(found: KeyFrame, limits: Judgeable) -> str | None:
    """Say why a crop is not fit to be judged, or None where it is."""
    if found.face_px < limits.min_face_px:
        return f"face too small ({found.face_px:.0f} px, {limits.min_face_px:.0f} needed)"
    if found.sharpness is not None and found.sharpness < limits.min_sharpness:
        needed = f"{limits.min_sharpness:g} needed"
        return f"face too blurred (sharpness {found.sharpness:.1f}, {needed})"
    if limits.max_turn is not None and (turned := turn(found.landmarks)) > limits.max_turn:
        return f"head turned away (turn {turned:.2f}, at most {limits.max_turn:g})"
    return None


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def calibrate(logits: Values, calibration: Calibration) -> Values:
    """Return calibrated P(fake) at even prior odds."""
    return sigmoid(calibration.log_odds(logits))


def interval(
    logits: Values, calibration: Calibration, *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of the probability of a mean logit; None for a single logit.

    Bootstrap over the key frames, each replicate with its own draw of the calibration's slope and
    intercept. It covers the scatter within this video and the size of the calibration set; it does
    not cover videos unlike those that the detector knows. The scatter of a single key frame is not
    measured: without it an interval would look surer than one over many.

    Args:
        logits: `(N,)`, N >= 1.
        calibration: with the covariance of its parameters.
        seed: of the bootstrap.
    """
    values = np.asarray(logits, dtype=np.float64)
    if len(values) == 1:
        return None
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(values), size=(REPLICATES, len(values)))
    parameters = rng.multivariate_normal(
        (calibration.slope, calibration.intercept), calibration.covariance, size=REPLICATES
    )
    means = calibration.curve(values[draws].mean(axis=1))
    low, high = np.quantile(sigmoid(parameters[:, 0] * means + parameters[:, 1]), (0.025, 0.975))
    point = float(calibrate(np.array([values.mean()]), calibration)[0])
    return min(float(low), point), max(float(high), point)


def word(logit: float, manifest: BundleManifest) -> Word:
    """Put a mean logit into words by the bundle's operating points."""
    if logit >= manifest.point("few-false-alarms").logit:
        return "substantial evidence"
    if logit >= manifest.point("balanced").logit:
        return "some evidence"
    return "little evidence"


def cannot_judge(reason: str, *, frames_used: int = 0) -> Verdict:
    """Return a refusal with its reason."""
    return Verdict("cannot judge", None, None, None, frames_used, reason)


_COUNTS = {1: "one picture", 2: "two pictures"}


def judge_track(
    key_frames: Sequence[KeyFrame], manifest: BundleManifest, *, still: bool, seed: int = 0
) -> Verdict:
    """Judge one face.

    Args:
        key_frames: scored frames; those with `unusable` set do not count.
        manifest: the detector's.
        still: whether the input is a picture or two, so that there can be no more key frames.
        seed: of the interval's bootstrap.
    """
    used = [k for k in key_frames if k.unusable is None and k.logit is not None]
    needed = 1 if still else manifest.judgeable.min_key_frames
    if len(used) < needed:
        reasons = Counter(k.unusable.split(" (")[0] for k in key_frames if k.unusable)
        why = "; {} in {}".format(*reasons.most_common(1)[0]) if reasons else ""
        return cannot_judge(
            f"{len(used)} usable key frame{'' if len(used) == 1 else 's'} of {len(key_frames)}, "
            f"at least {needed} needed{why}",
            frames_used=len(used),
        )
    beyond = out_of_range(used, manifest)
    seen = manifest.calibrated_range
    if beyond is not None and seen is not None and seen.outside == "cannot judge":
        refused = cannot_judge(f"unlike the calibration data ({beyond})", frames_used=len(used))
        return replace(refused, out_of_range=beyond)
    logits = np.array([k.logit for k in used], dtype=np.float64)
    mean = float(logits.mean())
    ratio, found = (None, None) if beyond else stated(mean, manifest, still=still)
    return Verdict(
        word=word(mean, manifest),
        probability=float(calibrate(np.array([mean]), manifest.calibration)[0]),
        interval=interval(logits, manifest.calibration, seed=seed),
        logit=mean,
        frames_used=len(used),
        reason=f"{_COUNTS[min(len(used), 2)]} only: error rates of single pictures are higher"
        if still
        else None,
        likelihood=ratio,
        answer=found,
        out_of_range=beyond,
    )


def judge_video(verdicts: Sequence[Verdict], *, why_none: str) -> Verdict:
    """Judge a video by its most suspicious face.

    Args:
        verdicts: of its tracks.
        why_none: the reason where there is no track.
    """
    judged = [v for v in verdicts if v.logit is not None]
    if judged:
        return max(judged, key=lambda v: (_SUSPICION.index(v.word), v.logit))
    if not verdicts:
        return cannot_judge(why_none)
    best = max(verdicts, key=lambda v: v.frames_used)
    return cannot_judge(f"no face could be judged: {best.reason}", frames_used=best.frames_used)
