"""From scored key frames to a verdict on a face, and from faces to a verdict on a video.

A face's number is the calibrated log odds of the mean logit over its usable key frames, no further
than the calibration data support (ELUB). One scale serves the word, the probability, its interval
and the likelihood ratio, so that they cannot contradict each other. A video's number is the log of
the mean likelihood ratio over its faces: the evidence for 'one of these faces is forged, it is not
known which'. Of genuine faces the mean ratio is 1 however many there are, so more faces bring no
more false alarms. Where nothing reliable can be said the verdict is 'cannot judge' with a reason,
and nothing is silently counted as real.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.calibration import sigmoid
from unmask.bundle.manifest import BundleManifest
from unmask.core.scan_record import KeyFrame
from unmask.core.settings import REPLICATES, SUBSTANTIAL_KEY_FRAMES
from unmask.core.verdicts import ConformalAnswer, LikelihoodStatement, Verdict, Word, WordRate
from unmask.scanner.likelihood import describe_ratio, out_of_range, state

Values = NDArray[np.float64]

LEAST_SUPPORT = math.log(2)
"""Log odds from which the verbal scale of likelihood ratios speaks for either side."""
MODERATE_SUPPORT = math.log(10)
"""Log odds from which it speaks of moderate support."""


@dataclass(frozen=True)
class Thresholds:
    """Where the words begin, in calibrated log odds."""

    little_up_to: float
    """At or below: `little evidence`."""
    some_from: float
    """From here: `some evidence`; `inconclusive` lies between."""
    substantial_from: float
    """From here: `substantial evidence`."""
    substantial_key_frames: int
    """Fewest usable key frames behind `substantial evidence`."""


def thresholds(manifest: BundleManifest) -> Thresholds:
    """Return where a detector's words begin; they never contradict its ratios and answers.

    A word speaks for a side only where the verbal scale of likelihood ratios does (2 or more), and
    `substantial` asks for moderate support (10 or more). Where the detector has a conformal answer,
    `little` and `substantial` ask that the other label is ruled out.

    Args:
        manifest: the detector's; without `words` its operating points stand in.
    """
    log_odds = manifest.calibration.log_odds
    words = manifest.words
    if words is None:
        some = float(log_odds(manifest.point("balanced").logit))
        substantial = float(log_odds(manifest.point("few-false-alarms").logit))
        little, key_frames = some, SUBSTANTIAL_KEY_FRAMES
    else:
        little, some, substantial = words.little_up_to, words.some_from, words.substantial_from
        key_frames = words.substantial_key_frames
    rule = manifest.abstention
    if rule is not None and rule.fake_excluded_below is not None:
        no_fake = float(log_odds(rule.fake_excluded_below))
        little, some = min(little, no_fake), max(some, no_fake)
    if rule is not None and rule.real_excluded_above is not None:
        no_real = float(log_odds(rule.real_excluded_above))
        little, substantial = min(little, no_real), max(substantial, no_real)
    some = max(some, LEAST_SUPPORT)
    substantial = max(substantial, some, MODERATE_SUPPORT)
    return Thresholds(min(little, -LEAST_SUPPORT), some, substantial, key_frames)


def why_no_word(manifest: BundleManifest) -> str | None:
    """Say why a detector may not speak for either side; None where it may.

    A detector at chance must not accuse, and one that was never evaluated may be at chance.
    """
    figures = [m for m in manifest.metrics if m.name.startswith("AUC")]
    if not figures:
        return "this detector was never evaluated, so its scores say nothing"
    best = max(figures, key=lambda m: m.interval[0])
    if best.interval[0] > 0.5:
        return None
    low, high = best.interval
    return (
        f"this detector cannot be told from chance ({best.name} {best.value:.2f}, "
        f"{low:.2f} to {high:.2f}), so its scores say nothing"
    )


def limit_to_support(log_odds: float, manifest: BundleManifest) -> float:
    """Return log odds no further than the calibration data support (ELUB)."""
    bounds = manifest.likelihood
    if bounds is None:
        return log_odds
    return min(max(log_odds, bounds.log10_lower * math.log(10)), bounds.log10_upper * math.log(10))


def word(log_odds: float, manifest: BundleManifest, *, key_frames: int) -> Word:
    """Put supported log odds into words.

    Args:
        log_odds: as `limit_to_support` returns them.
        manifest: the detector's.
        key_frames: usable key frames behind them.
    """
    ends = thresholds(manifest)
    if why_no_word(manifest) is not None:
        return "inconclusive"
    if log_odds >= ends.substantial_from and key_frames >= ends.substantial_key_frames:
        return "substantial evidence"
    if log_odds >= ends.some_from:
        return "some evidence"
    return "little evidence" if log_odds <= ends.little_up_to else "inconclusive"


def interval(
    logits: Values, manifest: BundleManifest, *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of the log odds of a mean logit; None for a single logit.

    Bootstrap over the key frames, each replicate with its own draw of the calibration's slope and
    intercept and, where the detector knows it, of the shift between sources. The scatter of a
    single key frame is not measured: without it an interval would look surer than one over many.

    Args:
        logits: `(N,)`, N >= 1.
        manifest: with the calibration, its covariance and what is known of other sources.
        seed: of the bootstrap.
    """
    values = np.asarray(logits, dtype=np.float64)
    if len(values) == 1:
        return None
    rng = np.random.default_rng(seed)
    calibration = manifest.calibration
    draws = rng.integers(len(values), size=(REPLICATES, len(values)))
    slope, intercept = rng.multivariate_normal(
        (calibration.slope, calibration.intercept), calibration.covariance, size=REPLICATES
    ).T
    replicates = slope * calibration.curve(values[draws].mean(axis=1)) + intercept
    if (shift := _source_sd(manifest)) is not None:
        replicates += rng.normal(0.0, shift, size=REPLICATES)
    point = float(calibration.log_odds(values.mean()))
    low, high = np.quantile(replicates, (0.025, 0.975))
    return (
        limit_to_support(min(float(low), point), manifest),
        limit_to_support(max(float(high), point), manifest),
    )


def _source_sd(manifest: BundleManifest) -> float | None:
    return None if manifest.words is None else manifest.words.source_sd


def _probabilities(log_odds: tuple[float, float] | None) -> tuple[float, float] | None:
    if log_odds is None:
        return None
    low, high = sigmoid(np.array(log_odds))
    return float(low), float(high)


def word_rate(verdict_word: Word, manifest: BundleManifest) -> WordRate | None:
    """Return how often a word was given on sources left out; None where it was not measured."""
    words = manifest.words
    rates = {} if words is None else {rate.word: rate for rate in words.rates}
    if words is None or verdict_word not in rates:
        return None
    rate = rates[verdict_word]
    return WordRate(rate.of_genuine, rate.of_fake, words.genuine, words.fakes, words.data)


def cannot_judge(reason: str, *, frames_used: int = 0) -> Verdict:
    """Return a refusal with its reason."""
    return Verdict("cannot judge", None, None, None, frames_used, reason)


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
    usable = [k for k in key_frames if k.unusable is None]
    needed = _frames_needed(manifest, still=still)
    if len(usable) < needed:
        return cannot_judge(_too_few(usable, key_frames, needed), frames_used=len(usable))
    used = [k for k in usable if k.logit is not None]
    beyond = out_of_range(used, manifest)
    seen = manifest.calibrated_range
    if beyond is not None and seen is not None and seen.outside == "cannot judge":
        refused = cannot_judge(f"unlike the calibration data ({beyond})", frames_used=len(used))
        return replace(refused, out_of_range=beyond)
    logits = _independent_logits(used)
    mean = float(logits.mean())
    log_odds = limit_to_support(float(manifest.calibration.log_odds(mean)), manifest)
    ratio, answer = (None, None) if beyond else state(mean, manifest, still=still)
    # of a face unlike the calibration data too little is known to accuse anybody
    verdict_word = word(log_odds, manifest, key_frames=0 if beyond else len(used))
    verdict_word = _consistent(verdict_word, answer)
    return Verdict(
        word=verdict_word,
        probability=float(sigmoid(np.array(log_odds))),
        interval=_probabilities(interval(logits, manifest, seed=seed)),
        logit=mean,
        frames_used=len(used),
        reason=_note(manifest, used=len(used), still=still),
        likelihood=ratio,
        answer=answer,
        out_of_range=beyond,
        interval_covers_sources=_source_sd(manifest) is not None,
        rate=_rate(verdict_word, manifest, key_frames=0 if beyond else len(used)),
    )


def _frames_needed(manifest: BundleManifest, *, still: bool) -> int:
    """Return the fewest usable key frames behind a verdict."""
    needed = 1 if still else manifest.judgeable.min_key_frames
    return needed if manifest.clip is None else max(needed, manifest.clip.min_frames)


def _independent_logits(used: Sequence[KeyFrame]) -> Values:
    """Return the logits of key frames, one of each clip: its frames share it."""
    clips = {n if k.clip is None else -k.clip: k.logit for n, k in enumerate(used)}
    return np.array(list(clips.values()), dtype=np.float64)


def _consistent(verdict_word: Word, answer: ConformalAnswer | None) -> Word:
    """Return a weaker word where the conformal answer does not bear it.

    On a level stretch of the calibration, and by rounding, logits on both sides of a conformal
    limit have the same log odds.
    """
    if answer is None:
        return verdict_word
    if verdict_word == "little evidence" and answer.label != "real":
        return "inconclusive"
    if verdict_word == "substantial evidence" and answer.label != "fake":
        return "some evidence"
    if verdict_word == "some evidence" and answer.label == "real":
        return "inconclusive"
    return verdict_word


def _rate(verdict_word: Word, manifest: BundleManifest, *, key_frames: int) -> WordRate | None:
    """Return how often a word is given; None where too few key frames bar the strongest word."""
    if key_frames < thresholds(manifest).substantial_key_frames:
        return None
    return word_rate(verdict_word, manifest)


def _too_few(used: Sequence[KeyFrame], key_frames: Sequence[KeyFrame], needed: int) -> str:
    reasons = Counter(k.unusable.split(" (")[0] for k in key_frames if k.unusable)
    why = "; {} in {}".format(*reasons.most_common(1)[0]) if reasons else ""
    return (
        f"{len(used)} usable key frame{'' if len(used) == 1 else 's'} of {len(key_frames)}, "
        f"at least {needed} needed{why}"
    )


def _note(manifest: BundleManifest, *, used: int, still: bool) -> str | None:
    """Say what limits a judgement.

    Args:
        manifest: the detector's.
        used: key frames behind it.
        still: whether there can be no more of them.
    """
    single = repeated = None
    if still:
        count = "one picture" if used == 1 else "two pictures"
        single = f"{count} only: error rates of single pictures are higher"
    if manifest.clip is not None and used < manifest.clip.frames:
        repeated = (
            f"{used} usable key frames for a clip of {manifest.clip.frames}: the last was repeated"
        )
    notes = (why_no_word(manifest), single, repeated)
    return "; ".join(note for note in notes if note) or None


def judge_video(
    verdicts: Mapping[int, Verdict], manifest: BundleManifest, *, why_none: str
) -> Verdict:
    """Judge a video: one of its faces may be forged, and it is not known which.

    The log odds are those of the mean likelihood ratio over the faces that were judged. The face
    with the highest one decides: the word needs its key frames, the interval is its own.

    Args:
        verdicts: of its tracks, by their ids.
        manifest: the detector's.
        why_none: the reason where there is no track.
    """
    judged = {track: v for track, v in verdicts.items() if v.probability is not None}
    if not judged:
        if not verdicts:
            return cannot_judge(why_none)
        best = max(verdicts.values(), key=lambda v: v.frames_used)
        return cannot_judge(f"no face could be judged: {best.reason}", frames_used=best.frames_used)
    deciding = max(judged, key=lambda track: (judged[track].probability, judged[track].logit))
    strongest = replace(judged[deciding], faces_judged=len(judged), deciding_track=deciding)
    if len(judged) == 1:
        return strongest
    others = [_ratio(v.probability) for track, v in judged.items() if track != deciding]
    return _among_faces(strongest, others, manifest)


def _among_faces(strongest: Verdict, others: Sequence[float], manifest: BundleManifest) -> Verdict:
    """Return the strongest face's verdict, weakened by the faces that it was found among."""

    def among(probability: float) -> float:
        return math.log((_ratio(probability) + sum(others)) / (len(others) + 1))

    log_odds = among(strongest.probability or 0.0)
    key_frames = 0 if strongest.out_of_range else strongest.frames_used
    verdict_word = word(log_odds, manifest, key_frames=key_frames)
    low, high = (among(end) for end in strongest.interval) if strongest.interval else (None, None)
    ratio = strongest.likelihood
    return replace(
        strongest,
        word=verdict_word,
        probability=float(sigmoid(np.array(log_odds))),
        interval=None if low is None or high is None else _probabilities((low, high)),
        likelihood=None if ratio is None else _ratio_among(ratio, log_odds / math.log(10)),
        answer=None,  # its error rate is promised for one face, not for the strongest of several
        rate=_rate(verdict_word, manifest, key_frames=key_frames),
    )


def _ratio(probability: float | None) -> float:
    """Return the likelihood ratio behind a probability at even prior odds."""
    bounded = min(max(probability or 0.0, 1e-12), 1 - 1e-12)
    return bounded / (1 - bounded)


def _ratio_among(ratio: LikelihoodStatement, log10: float) -> LikelihoodStatement:
    bounded = min(max(log10, ratio.log10_lower), ratio.log10_upper)
    return replace(ratio, log10=bounded, words=describe_ratio(bounded))
