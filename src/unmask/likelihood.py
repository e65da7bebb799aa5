"""From a logit to what may be said of it: likelihood ratio within its bounds, words, abstention.

A likelihood ratio says how much likelier the evidence is if the face is fake than if it is real. It
is no probability that the face is fake: that also needs the odds before looking. All numbers come
from the detector's bundle, where `unmask calibrate` put them.

Source of the words: ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), the scale
of its examples.
"""

from __future__ import annotations

import math
from typing import Literal

from unmask.bundle import Abstention, CalibratedRange, Calibration, LikelihoodRatio

Answer = Literal["real", "fake", "cannot judge"]

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


def in_words(log10: float) -> str:
    """Put a log10 likelihood ratio into the words of forensic reports.

    >>> in_words(1.5), in_words(-0.5), in_words(0.1)
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
    """Say in what a face is unlike all that the calibration saw, or None where it is not."""
    for value, limits, name in (
        (face_px, seen.face_px, "face size, px"),
        (sharpness, seen.sharpness, "sharpness"),
    ):
        if value is not None and limits is not None and not limits[0] <= value <= limits[1]:
            return f"{name}: {value:.0f}, calibrated on {limits[0]:.0f} to {limits[1]:.0f}"
    return None
