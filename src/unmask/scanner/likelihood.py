"""From a logit to what may be said of it: likelihood ratio within its bounds, words, abstention.

A likelihood ratio says how much likelier the evidence is if the face is fake than if it is real. It
is no probability that the face is fake: that also needs the odds before looking. All numbers come
from the detector's bundle, where `unmask calibrate` put them.

Source of the words: ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), the scale
of its examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from unmask.bundle.manifest import (
    Abstention,
    BundleManifest,
    CalibratedRange,
    Calibration,
    LikelihoodRatio,
)
from unmask.core.scan_record import KeyFrame
from unmask.core.verdicts import Answer, ConformalAnswer, LikelihoodStatement

_AS_SCANNED = ("mean", "max-track")
"""Aggregations that give the number of a scan: a face's mean, and the highest of them."""

_SCALE: tuple[tuple[float, str], ...] = (
    (math.log10(2), "no support for either"),
    (1, "weak support"),
    (2, "moderate support"),
    (3, "moderately strong support"),
    (4, "strong support"),
    (6, "very strong support"),
    (math.inf, "extremely strong support"),
)
"""Words by the log10 likelihood ratio that they reach up to."""


def log10_ratio(logit: float, calibration: Calibration, bounds: LikelihoodRatio) -> float:
    """Return the log10 likelihood ratio of fake to real, no further than the data support.

    Args:
        logit: at the level that the calibration was fitted on.
        calibration: fitted at even prior odds, so that its odds are likelihood ratios.
        bounds: of the same detector.
    """
    ratio = float(calibration.log_odds(logit)) / math.log(10)
    return min(max(ratio, bounds.log10_lower), bounds.log10_upper)


def describe_ratio(log10: float) -> str:
    """Put a log10 likelihood ratio into the words of forensic reports.

    >>> describe_ratio(1.5), describe_ratio(-0.5), describe_ratio(0.1)
    ('moderate support for fake', 'weak support for real', 'no support for either')
    """
    words = next(words for end, words in _SCALE if abs(log10) < end or end == math.inf)
    if words == _SCALE[0][1]:
        return words
    return f"{words} for {'fake' if log10 > 0 else 'real'}"


def answer(logit: float, abstention: Abstention) -> Answer:
    """Return the one label that is not ruled out; with both or neither left, `cannot judge`."""
    below, above = abstention.fake_excluded_below, abstention.real_excluded_above
    no_fake = below is not None and logit < below
    no_real = above is not None and logit > above
    if no_fake == no_real:
        return "cannot judge"
    return "real" if no_fake else "fake"


def outside(seen: CalibratedRange, *, face_px: float | None, sharpness: float | None) -> str | None:
    """Say in what a face is poorer than all that the calibration saw, or None where it is not.

    A larger or sharper face is no reason: it is reduced to the network's input, where it looks like
    those that the calibration saw. A smaller or more blurred one lacks what they had.
    """
    for value, limits, name in (
        (face_px, seen.face_px, "face size, px"),
        (sharpness, seen.sharpness, "sharpness"),
    ):
        if value is not None and limits is not None and value < limits[0]:
            return f"{name}: {value:.0f}, calibrated on {limits[0]:.0f} to {limits[1]:.0f}"
    return None


def explain_silence(manifest: BundleManifest, *, still: bool) -> str | None:
    """Say why a detector's likelihood ratios and answers do not hold for a kind of input.

    What was fitted on faces over time is too sure of a single crop, whose score scatters more. What
    was fitted on single crops says too little of a mean over many, so that ratio may stand.

    Args:
        manifest: the detector's.
        still: whether the input is a single picture.

    Returns:
        The reason; None where they hold, or where the detector has none.
    """
    if manifest.likelihood is None and manifest.abstention is None:
        return None
    fitted = manifest.calibration
    if fitted.level == "crop":
        return None
    if still:
        return (
            "no likelihood ratio or conformal answer is given: the detector's are for "
            f"{fitted.level}s, not for a single picture"
        )
    if fitted.aggregation not in _AS_SCANNED:
        return (
            "no likelihood ratio or conformal answer is given: the detector's are for the "
            f"aggregation {fitted.aggregation!r}, a scan takes the mean"
        )
    return None


def state(
    logit: float, manifest: BundleManifest, *, still: bool
) -> tuple[LikelihoodStatement | None, ConformalAnswer | None]:
    """Return what the bundle can say of a face's logit: likelihood ratio and conformal answer.

    The ratio of a face over time may come from single crops, and then says so. The answer may not:
    its error rate is promised for cases like those that it was fitted on.
    """
    if explain_silence(manifest, still=still) is not None:
        return None, None
    bounds, rule = manifest.likelihood, manifest.abstention
    of_crops = manifest.calibration.level == "crop" and not still
    ratio = None
    if bounds is not None:
        log10 = log10_ratio(logit, manifest.calibration, bounds)
        ends = (bounds.log10_lower, bounds.log10_upper)
        ratio = LikelihoodStatement(log10, *ends, describe_ratio(log10), of_single_crops=of_crops)
    answer_of_rule = (
        None if rule is None or of_crops else ConformalAnswer(answer(logit, rule), rule.error_rate)
    )
    return ratio, answer_of_rule


def out_of_range(used: Sequence[KeyFrame], manifest: BundleManifest) -> str | None:
    """Say in what the median of a face's usable key frames is poorer than the calibration data."""
    seen = manifest.calibrated_range
    if seen is None:
        return None
    measured = [key.sharpness for key in used if key.sharpness is not None]
    return outside(
        seen,
        face_px=median(key.face_px for key in used),
        sharpness=median(measured) if measured else None,
    )
