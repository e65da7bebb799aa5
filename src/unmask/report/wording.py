"""How the report says things: verdicts in plain language, and what limits them.

One place for words keeps the page from promising more than the numbers carry. They are said in the
language in force (`unmask.report.language.translation`). `html` hands these functions to its
templates; numbers are written by `quantities`, text from a file by `unmask.core.text`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

from unmask.core.scan import SaliencyMap
from unmask.core.scan_record import ScanRecord
from unmask.core.verdicts import ConformalAnswer, Verdict, Word
from unmask.explain.methods import OF_FEATURES
from unmask.explain.regions import describe_regions
from unmask.report.language.sentences import sentence
from unmask.report.language.translation import N_, _
from unmask.report.quantities import percent, times


@dataclass(frozen=True)
class VerdictText:
    """How a verdict is explained to a reader."""

    title: str
    """The verdict as a heading."""
    strength: int
    """Filled bars of three in its sign."""
    style: str
    """Suffix of its CSS class."""
    meaning: str
    """What it says."""
    limit: str
    """What it does not say."""


_VERDICTS: dict[Word, VerdictText] = {
    "substantial evidence": VerdictText(
        title=N_("Substantial evidence of manipulation"),
        strength=3,
        style="substantial",
        meaning=N_(
            "The detector finds marks in this face that it knows mostly from manipulated ones."
        ),
        limit=N_(
            "This is not proof. Strong compression, filters, make-up and editing can leave "
            "similar marks in a genuine recording. Look for other sources before you publish."
        ),
    ),
    "some evidence": VerdictText(
        title=N_("Some evidence of manipulation"),
        strength=2,
        style="some",
        meaning=N_(
            "The detector finds marks that occur in manipulated and in genuine faces, "
            "more often in manipulated ones."
        ),
        limit=N_(
            "This is not proof, and too weak to rest a claim on by itself. Treat it as a reason "
            "to look closer."
        ),
    ),
    "inconclusive": VerdictText(
        title=N_("Inconclusive"),
        strength=0,
        style="inconclusive",
        meaning=N_("The detector's score is one that genuine and manipulated faces both get."),
        limit=N_(
            "This speaks neither for nor against manipulation. Judge by other evidence: the "
            "original file, its source, other recordings."
        ),
    ),
    "little evidence": VerdictText(
        title=N_("Little evidence of manipulation"),
        strength=1,
        style="little",
        meaning=N_("The detector finds few of the marks of manipulation that it knows."),
        limit=N_(
            "This does not mean that the video is genuine. A method that the detector has never "
            "seen, a good forgery or strong compression leave little evidence too; and it says "
            "nothing about voice, words, place, date or context."
        ),
    ),
    "cannot judge": VerdictText(
        title=N_("Cannot be judged"),
        strength=0,
        style="none",
        meaning=N_("There was not enough usable material for a judgement."),
        limit=N_(
            "This speaks neither for nor against manipulation. A sharper, larger or less "
            "compressed copy may be judged."
        ),
    ),
}

_WORDS: dict[Word, str] = {
    "substantial evidence": N_("substantial evidence"),
    "some evidence": N_("some evidence"),
    "inconclusive": N_("inconclusive"),
    "little evidence": N_("little evidence"),
    "cannot judge": N_("cannot judge"),
}

_PHRASES: dict[Word, str] = {
    "substantial evidence": N_("substantial evidence of manipulation"),
    "some evidence": N_("some evidence of manipulation"),
    "little evidence": N_("little evidence of manipulation"),
}


WORDS: tuple[Word, ...] = get_args(Word)
"""All words of verdicts, the strongest first."""


def verdict_text(word: Word) -> VerdictText:
    """Return how a word is explained, in the language in force."""
    text = _VERDICTS[word]
    return replace(text, title=_(text.title), meaning=_(text.meaning), limit=_(text.limit))


def local_word(word: Word) -> str:
    """Return a verdict's word in the language in force.

    >>> local_word("some evidence")
    'some evidence'
    """
    return _(_WORDS[word])


def repeated_persons(result: ScanRecord) -> tuple[str, ...]:
    """Name the persons of whom there is more than one face."""
    return tuple(
        _(
            "person {person}: faces {faces}, which look the same",
            person=each.id,
            faces=", ".join(map(str, each.tracks)),
        )
        for each in result.persons
        if len(each.tracks) > 1
    )


def statements(verdict: Verdict) -> tuple[str, ...]:
    r"""Say what a verdict holds beyond its probability, a line each; none where there is nothing.

    >>> from unmask.core.verdicts import LikelihoodStatement
    >>> ratio = LikelihoodStatement(0.5, -2.0, 1.0, "weak support for fake")
    >>> verdict = Verdict("some evidence", 0.9, None, 2.0, 8, likelihood=ratio)
    >>> print(statements(verdict)[0].replace("\xa0", " "))
    likelihood ratio 3.2 (weak support for fake); the data support 1/100 to 10
    """
    lines = []
    ratio, answer = verdict.likelihood, verdict.answer
    if ratio is not None:
        low, high = times(ratio.log10_lower), times(ratio.log10_upper)
        at_end = ratio.log10 in {ratio.log10_lower, ratio.log10_upper} and ratio.log10 != 0
        text = _(
            "likelihood ratio {ratio} ({words}); the data support {low} to {high}",
            ratio=times(ratio.log10),
            words=sentence(ratio.words),
            low=low,
            high=high,
        )
        text += _("; it may be further from 1") if at_end else ""
        lines.append(text + (_("; fitted on single crops") if ratio.of_single_crops else ""))
    if answer is not None:
        lines.append(_say_how_rare(answer))
    if verdict.out_of_range is not None:
        beyond = sentence(verdict.out_of_range)
        lines.append(_("outside the calibration data: {beyond}", beyond=beyond))
    return tuple(lines)


def comparison(verdict: Verdict) -> str | None:
    r"""Say in plain words how much likelier a score is for one side; None: not known.

    >>> from unmask.core.verdicts import LikelihoodStatement
    >>> ratio = LikelihoodStatement(0.5, -2.0, 1.0, "weak support for fake")
    >>> comparison(Verdict("some evidence", 0.9, None, 2.0, 8, likelihood=ratio))
    'A manipulated face gets such a score about 3.2 times as often as a genuine one.'
    """
    ratio = verdict.likelihood
    if ratio is None:
        return None
    if times(abs(ratio.log10)) == "1":
        return _("Manipulated and genuine faces get such a score equally often.")
    factor = times(abs(ratio.log10))
    if ratio.log10 > 0:
        return _(
            "A manipulated face gets such a score about {factor} times as often as a genuine one.",
            factor=factor,
        )
    return _(
        "A genuine face gets such a score about {factor} times as often as a manipulated one.",
        factor=factor,
    )


def phrase(word: Word) -> str:
    """Write a verdict's word as part of a sentence.

    >>> phrase("some evidence"), phrase("inconclusive")
    ('some evidence of manipulation', 'inconclusive')
    """
    return _(_PHRASES[word]) if word in _PHRASES else local_word(word)


_OF = 20
"""Videos that rates are told by: a share of few is easier to picture than a percentage."""


def rate(verdict: Verdict) -> str | None:
    """Say how often such a verdict is given to genuine and to forged videos; None: not known."""
    if verdict.rate is None:
        return None
    return _(
        "of {of} genuine videos and pictures {genuine} got this verdict, of {of} manipulated ones "
        "{fakes}",
        of=_OF,
        genuine=_about(verdict.rate.of_genuine),
        fakes=_about(verdict.rate.of_fake),
    )


def rate_basis(verdict: Verdict) -> str | None:
    """Say what `rate` was measured on; None: nothing."""
    if verdict.rate is None:
        return None
    return _(
        "of {genuine} genuine and {fakes} manipulated videos and pictures; each source was left "
        "out of the calibration in turn, the limits of the words were chosen on all",
        genuine=verdict.rate.genuine,
        fakes=verdict.rate.fakes,
    )


def _about(share: float) -> str:
    count = round(share * _OF)
    if share == 0:
        return _("none")
    return _("fewer than 1") if count == 0 else _("about {number}", number=count)


def range_note(verdict: Verdict) -> str:
    """Say what the range beside a probability covers."""
    if verdict.interval is None:
        return _("range not measured: one picture has no scatter")
    note = _("95 % range: scatter between the key frames alone, not the error on other videos")
    if verdict.interval_covers_sources:
        note = _("95 % range: scatter between the key frames, and error on videos of other sources")
    return note + (_("; cut off where the calibration data end") if _is_cut_off(verdict) else "")


def _is_cut_off(verdict: Verdict) -> bool:
    """Tell whether an end of the range is where the data support nothing further (ELUB)."""
    ratio = verdict.likelihood
    if ratio is None or verdict.interval is None:
        return False
    ends = [1 / (1 + 10.0**-end) for end in (ratio.log10_lower, ratio.log10_upper)]
    return any(math.isclose(a, b, abs_tol=1e-6) for a in verdict.interval for b in ends)


def describe_decision(verdict: Verdict) -> str | None:
    """Say which face decides for a video of several, and why; None for one face or none."""
    if verdict.faces_judged is None or verdict.faces_judged < 2:
        return None
    return _(
        "face {face} decides: of the {count} faces that were judged, its {frames} key frames score "
        "highest on average; the more faces, the likelier that one scores high by chance, so its "
        "score counts for less than alone",
        face=verdict.deciding_track,
        count=verdict.faces_judged,
        frames=verdict.frames_used,
    )


def misses(result: ScanRecord) -> str | None:
    """Say beside `little evidence` and `inconclusive` what the detector is likely to miss."""
    rates = result.detector.misses
    if result.verdict.word not in ("little evidence", "inconclusive") or not rates:
        return None
    tested = sorted((r for r in rates if r.missed is not None), key=lambda r: -(r.missed or 0.0))
    parts = []
    if tested:
        listed = ", ".join(
            _(
                "{method} ({share} of {videos})",
                method=_method(r.method),
                share=percent(r.missed),
                videos=r.videos,
            )
            for r in tested
        )
        parts.append(_("in tests these forgeries got little evidence: {listed}", listed=listed))
    if untested := [_method(r.method) for r in rates if r.missed is None]:
        parts.append(_("never tested: {listed}", listed=", ".join(untested)))
    return "; ".join(parts)


_METHODS = {
    "made-blend": N_("faces blended for tests"),
    "made-mouth": N_("mouths changed for tests"),
    "made-rendered": N_("faces rendered for tests"),
    "StyleGAN2 portraits": N_("portraits by StyleGAN2"),
}
"""Kinds of forgery whose names in cards are no words."""


def _method(name: str) -> str:
    return _(_METHODS[name]) if name in _METHODS else sentence(name)


def _say_how_rare(answer: ConformalAnswer) -> str:
    """Say among which faces such a score is rare, and how often that is wrong."""
    rate = percent(answer.error_rate)
    if answer.label == "cannot judge":
        return _(
            "such a score is rare among neither reals nor fakes, or among both, at an error rate "
            "of {rate}",
            rate=rate,
        )
    if answer.label == "real":
        return _(
            "scores this low are rare among fakes: at most {rate} of fakes like those of the "
            "calibration data have one; it is no proof of real",
            rate=rate,
        )
    return _(
        "scores this high are rare among reals: at most {rate} of reals like those of the "
        "calibration data have one; it is no proof of fake",
        rate=rate,
    )


_VIEWS = {"tight": N_("tight"), "wide": N_("wide")}
"""Names of the shipped detector's views."""


_METHOD_NOTES = {
    "attention-rollout": N_(
        "Attention rollout shows what the network attends to, whatever its score; it does not show "
        "what moved the score."
    )
}
"""Of methods whose maps show something else than what moved the score."""


def method_note(method: str) -> str | None:
    """Say what the maps of a method show, where that is not what maps show as a rule."""
    note = _METHOD_NOTES.get(method)
    return None if note is None else _(note)


def map_words(saliency: SaliencyMap, view: str | None) -> str:
    """Say where a map lies in the face, or why it is empty.

    Args:
        saliency: the map.
        view: name of the view that a map of features belongs to; None where there is one only.
    """
    if saliency.empty is not None:
        return _("empty: {reason}", reason=sentence(saliency.empty))
    words = _("regions not measured")
    if saliency.regions is not None:
        words = ", ".join(sentence(each) for each in describe_regions(saliency.regions).split(", "))
    if view is not None and saliency.method in OF_FEATURES:
        words = _("{view} view: {words}", view=_(_VIEWS.get(view, view)), words=words)
    return words


def leak_mark(*, leaks: bool) -> str:
    """Return what stands behind a number where its protocol leaks by design."""
    return " LEAKS" if leaks else ""


def survival(result: ScanRecord) -> tuple[str, ...]:
    """Say whether a verdict survives distortions, and under which it becomes another one."""
    if not result.stress:
        return ()
    changed = [each for each in result.stress if each.verdict.word != result.verdict.word]
    kept = len(result.stress) - len(changed)
    return (
        _(
            "under stress: the verdict stays under {kept} of {all} distortions",
            kept=kept,
            all=len(result.stress),
        ),
        *(
            _(
                "{distortion}, {level}: {word} (probability {probability})",
                distortion=each.distortion,
                level=each.level,
                word=local_word(each.verdict.word),
                probability=percent(each.verdict.probability),
            )
            for each in changed
        ),
    )
