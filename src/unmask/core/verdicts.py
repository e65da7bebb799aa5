"""A verdict in words, and the figures that it is made of.

Scores are P(fake) in [0, 1]; `None` means not measured and is never the same as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal[
    "substantial evidence", "some evidence", "inconclusive", "little evidence", "cannot judge"
]
"""How much speaks for manipulation."""


Answer = Literal["real", "fake", "cannot judge"]
"""The label that a detector did not rule out."""


@dataclass(frozen=True)
class LikelihoodStatement:
    """How much likelier the evidence is if the face is fake than if it is real."""

    log10: float
    """Log10 of that ratio, no further than the bounds."""
    log10_lower: float
    """Smallest that the calibration data support (ELUB)."""
    log10_upper: float
    """Largest."""
    words: str
    """The ratio on the verbal scale of ENFSI."""
    of_single_crops: bool = False
    """Whether a face over time was weighed by what was fitted on single crops."""


@dataclass(frozen=True)
class ConformalAnswer:
    """The label that is left when those are ruled out that rarely score like this."""

    label: Answer
    """It, which is no proof of it; `cannot judge` where both or neither are left."""
    error_rate: float
    """Most often that the true label is ruled out, among data like those of the calibration."""


@dataclass(frozen=True)
class WordRate:
    """How often a verdict's word is given to genuine and to forged videos of sources left out."""

    of_genuine: float
    """Share of the genuine ones that get this word."""
    of_fake: float
    """Share of the forged ones that get it."""
    genuine: int
    """Genuine videos behind it."""
    fakes: int
    """Forged videos behind it."""
    data: str
    """What was measured, and how."""


@dataclass(frozen=True)
class Verdict:
    """A judgement in words, with the number behind it."""

    word: Word
    """How much speaks for manipulation."""
    probability: float | None
    """Calibrated P(fake) at even prior odds, no further than the calibration data support."""
    interval: tuple[float, float] | None
    """95 % interval of the probability; None for a single key frame, whose scatter is not known."""
    logit: float | None
    """Mean logit over the key frames used."""
    frames_used: int
    """Key frames behind the number."""
    reason: str | None = None
    """Why it cannot be judged, or what limits the judgement."""
    likelihood: LikelihoodStatement | None = None
    """Likelihood ratio; None: the detector has none for such input, or it is out of range."""
    answer: ConformalAnswer | None = None
    """Conformal answer; None likewise."""
    out_of_range: str | None = None
    """In what the face is poorer than what the calibration saw; None: in nothing that is known."""
    interval_covers_sources: bool = False
    """Whether the interval also covers how far the calibration is off on films of other sources;
    if not, it covers the scatter of the key frames and the size of the calibration set alone."""
    rate: WordRate | None = None
    """How often this word is given; None: the detector's card does not say."""
    faces_judged: int | None = None
    """Faces among which the strongest decides; None: a judgement of one face."""
    deciding_track: int | None = None
    """Track of the face that decides; None: a judgement of one face, or nothing was judged."""

    def __post_init__(self) -> None:
        """A refusal has a reason and no probability; a judgement has one."""
        if (self.word == "cannot judge") != (self.probability is None):
            raise ValueError(f"{self.word!r} does not go with probability {self.probability}")
        if self.word == "cannot judge" and not self.reason:
            raise ValueError("'cannot judge' needs its reason")
