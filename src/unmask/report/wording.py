"""How the report says things: verdicts in plain language, numbers with units, hostile text.

One place for words keeps the page from promising more than the numbers carry. Text from a file
(names, metadata) is untrusted: `visible` turns every character that does not show itself into an
escape that does. `html` hands these functions to its templates.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from unmask.values import UNSEEN, ConformalAnswer, ScanRecord, Verdict, Word

NOT_MEASURED = "not measured"
"""What stands for None on the page."""


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


VERDICTS: dict[Word, VerdictText] = {
    "substantial evidence": VerdictText(
        title="Substantial evidence of manipulation",
        strength=3,
        style="substantial",
        meaning="The detector finds marks in this face that it knows mostly from manipulated ones.",
        limit="This is not proof. Strong compression, filters, make-up and editing can leave "
        "similar marks in a genuine recording. Look for other sources before you publish.",
    ),
    "some evidence": VerdictText(
        title="Some evidence of manipulation",
        strength=2,
        style="some",
        meaning="The detector finds marks that occur in manipulated and in genuine faces, "
        "more often in manipulated ones.",
        limit="This is not proof, and too weak to rest a claim on by itself. Treat it as a reason "
        "to look closer.",
    ),
    "inconclusive": VerdictText(
        title="Inconclusive",
        strength=0,
        style="inconclusive",
        meaning="The detector's score is one that genuine and manipulated faces both get.",
        limit="This speaks neither for nor against manipulation. Judge by other evidence: the "
        "original file, its source, other recordings.",
    ),
    "little evidence": VerdictText(
        title="Little evidence of manipulation",
        strength=1,
        style="little",
        meaning="The detector finds few of the marks of manipulation that it knows.",
        limit="This does not mean that the video is genuine. A method that the detector has never "
        "seen, a good forgery or strong compression leave little evidence too; and it says "
        "nothing about voice, words, place, date or context.",
    ),
    "cannot judge": VerdictText(
        title="Cannot be judged",
        strength=0,
        style="none",
        meaning="There was not enough usable material for a judgement.",
        limit="This speaks neither for nor against manipulation. A sharper, larger or less "
        "compressed copy may be judged.",
    ),
}
"""Every word of a verdict, explained."""


def visible(text: str) -> str:
    r"""Replace characters that cannot be seen, or that reorder text, by their code points.

    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    return "".join(
        f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in UNSEEN else char for char in text
    )


def one_line(text: str, most: int = 1000) -> str:
    r"""Put a text of any origin on one line that shows all its characters, cut in the middle.

    >>> one_line("a\n  b\u202ec"), one_line("x" * 50, 20)
    ('a b⟨U+202E⟩c', 'xxxxxxx ... xxxxxxxx')
    """
    # line breaks, and the blanks beside them, are one blank; other control characters are shown
    line = " ".join(part.strip(" ") for part in text.split("\n") if part.strip(" "))
    if len(line) > most:
        half = (most - 5) // 2
        line = f"{line[:half]} ... {line[len(line) - (most - 5 - half) :]}"
    return visible(line)


def visible_lines(text: str) -> str:
    """Return a text of several lines with the characters of each made visible."""
    return "\n".join(map(visible, text.split("\n")))


def repeated_persons(result: ScanRecord) -> tuple[str, ...]:
    """Name the persons of whom there is more than one face."""
    return tuple(
        f"person {each.id}: faces {', '.join(map(str, each.tracks))}, which look the same"
        for each in result.persons
        if len(each.tracks) > 1
    )


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    r"""Write a number with its unit, or that it was not measured.

    >>> number(None), number(0.0, 1, "px")
    ('not measured', '0.0\xa0px')
    """
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    return f"{value:,.{digits}f}" + (f"\u00a0{unit}" if unit else "")


def percent(value: float | None) -> str:
    r"""Write a probability as a percentage; the ends are never rounded to certainty.

    >>> percent(0.999), percent(0.87), percent(None)
    ('>99\xa0%', '87\xa0%', 'not measured')
    """
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if value > 0.99:
        return ">99\u00a0%"
    if value < 0.01:
        return "<1\u00a0%"
    return f"{value * 100:.0f}\u00a0%"


def clock(seconds: float | None, digits: int = 2) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> clock(63.456), clock(3661.0, 0)
    ('1:03.46', '1:01:01')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOT_MEASURED
    scale = 10**digits
    whole, part = divmod(round(abs(seconds) * scale), scale)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest:02d}" + (f".{part:0{digits}d}" if digits else "")
    sign = "-" if seconds < 0 else ""
    return sign + (f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}")


def size(count: int) -> str:
    r"""Write a number of bytes, exact and rounded.

    >>> size(1500), size(12)
    ('1.5\xa0kB (1,500\xa0bytes)', '12\xa0bytes')
    """
    exact = f"{count:,}\u00a0bytes"
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.1f}\u00a0{unit} ({exact})"
    return exact


def setting(value: str | float | bool | None) -> str:
    """Write the value of a setting."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def statements(verdict: Verdict) -> tuple[str, ...]:
    r"""Say what a verdict holds beyond its probability, a line each; none where there is nothing.

    >>> from unmask.values import LikelihoodStatement
    >>> ratio = LikelihoodStatement(0.5, -2.0, 1.0, "weak support for fake")
    >>> verdict = Verdict("some evidence", 0.9, None, 2.0, 8, likelihood=ratio)
    >>> print(statements(verdict)[0].replace("\xa0", " "))
    likelihood ratio 3.2 (weak support for fake); the data support 1/100 to 10
    """
    made = []
    ratio, answer = verdict.likelihood, verdict.answer
    if ratio is not None:
        low, high = times(ratio.log10_lower), times(ratio.log10_upper)
        at_end = ratio.log10 in {ratio.log10_lower, ratio.log10_upper} and ratio.log10 != 0
        made.append(
            f"likelihood ratio {times(ratio.log10)} ({ratio.words}); the data support {low} to "
            f"{high}{'; it may be further from 1' if at_end else ''}"
            f"{'; fitted on single crops' if ratio.of_single_crops else ''}"
        )
    if answer is not None:
        made.append(_ruled_out(answer))
    if verdict.out_of_range is not None:
        made.append(f"outside the calibration data: {verdict.out_of_range}")
    return tuple(made)


def phrase(word: Word) -> str:
    """Write a verdict's word as part of a sentence.

    >>> phrase("some evidence"), phrase("inconclusive")
    ('some evidence of manipulation', 'inconclusive')
    """
    return f"{word} of manipulation" if word.endswith("evidence") else word


_OF = 20
"""Videos that rates are told by: a share of few is easier to picture than a percentage."""


def rate(verdict: Verdict) -> str | None:
    """Say how often such a verdict is given to genuine and to forged videos; None: not known."""
    if verdict.rate is None:
        return None
    genuine, fakes = _about(verdict.rate.of_genuine), _about(verdict.rate.of_fake)
    return (
        f"of {_OF} genuine videos and pictures {genuine} got this verdict, of {_OF} manipulated "
        f"ones {fakes} (of {verdict.rate.genuine} and {verdict.rate.fakes}; each source was left "
        "out of the calibration in turn, the limits of the words were chosen on all)"
    )


def _about(share: float) -> str:
    count = round(share * _OF)
    return "none" if share == 0 else "fewer than 1" if count == 0 else f"about {count}"


def range_note(verdict: Verdict) -> str:
    """Say what the range beside a probability covers."""
    if verdict.interval is None:
        return "range not measured: one picture has no scatter"
    note = "95 % range: scatter between the key frames alone, not the error on other videos"
    if verdict.interval_covers_sources:
        note = "95 % range: scatter between the key frames, and error on videos of other sources"
    return f"{note}; cut off where the calibration data end" if _is_cut_off(verdict) else note


def _is_cut_off(verdict: Verdict) -> bool:
    """Tell whether an end of the range is where the data support nothing further (ELUB)."""
    ratio = verdict.likelihood
    if ratio is None or verdict.interval is None:
        return False
    ends = [1 / (1 + 10.0**-end) for end in (ratio.log10_lower, ratio.log10_upper)]
    return any(math.isclose(a, b, abs_tol=1e-6) for a in verdict.interval for b in ends)


def decided(verdict: Verdict) -> str | None:
    """Say which face decides for a video of several; None for one face or none."""
    if verdict.faces_judged is None or verdict.faces_judged < 2:
        return None
    return (
        f"face {verdict.deciding_track} decides, the strongest of {verdict.faces_judged}; among "
        "more faces the same score is weaker evidence, and this is taken into account"
    )


def misses(result: ScanRecord) -> str | None:
    """Say beside `little evidence` and `inconclusive` what the detector is likely to miss."""
    rates = result.detector.misses
    if result.verdict.word not in ("little evidence", "inconclusive") or not rates:
        return None
    tested = sorted((r for r in rates if r.missed is not None), key=lambda r: -(r.missed or 0.0))
    said = []
    if tested:
        listed = [f"{r.method} ({percent(r.missed)} of {r.videos})" for r in tested]
        said.append(f"little evidence is what it gave to these: {', '.join(listed)}")
    if untested := [r.method for r in rates if r.missed is None]:
        said.append(f"no figure for: {', '.join(untested)}")
    return "; ".join(said)


def _ruled_out(answer: ConformalAnswer) -> str:
    """Say what a score rules out, and how often that is wrong."""
    rate = percent(answer.error_rate)
    if answer.label == "cannot judge":
        return f"no label is ruled out alone: both are left, or neither, at an error rate of {rate}"
    other, side = ("fake", "low") if answer.label == "real" else ("real", "high")
    return (
        f"{other} is ruled out: at most {rate} of {other}s like those of the calibration data "
        f"score this {side}; it is no proof of {answer.label}"
    )


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
        f"under stress: the verdict stays under {kept} of {len(result.stress)} distortions",
        *(
            f"{each.distortion}, {each.level}: {each.verdict.word} "
            f"(probability {percent(each.verdict.probability)})"
            for each in changed
        ),
    )


def times(log10: float) -> str:
    """Write a likelihood ratio by its log10, as a factor or a part.

    >>> times(2.0), times(-1.0), times(0.3)
    ('100', '1/10', '2')
    """
    factor = f"{10 ** abs(log10):,.{0 if abs(log10) >= 1 else 1}f}".removesuffix(".0")
    return factor if log10 >= 0 or factor == "1" else f"1/{factor}"
