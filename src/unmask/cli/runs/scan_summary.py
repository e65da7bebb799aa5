"""A scan's result as a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.core.text import visible

if TYPE_CHECKING:
    from unmask.core.scan_record import ScanRecord
    from unmask.core.verdicts import Verdict


def headline(result: ScanRecord) -> str:
    """Put a file and its verdict on one line."""
    return f"{visible(result.video.path)}: {_words(result.verdict)}"


def summary(result: ScanRecord) -> str:
    """Put a result into a few lines of text, in the language in force."""
    from unmask.report.language.sentences import sentence
    from unmask.report.language.translation import _
    from unmask.report.quantities import number
    from unmask.report.wording import (
        describe_decision,
        misses,
        rate,
        repeated_persons,
        statements,
        survival,
    )

    def local(english: str) -> str:
        return visible(sentence(english))

    coverage = result.coverage
    lines = [headline(result)]
    lines += [
        f"  {_plain(each)}"
        for each in (describe_decision(result.verdict), rate(result.verdict), misses(result))
        if each is not None
    ]
    for track in result.tracks:
        span = f", {number(track.start_seconds, 1)}-{number(track.end_seconds, 1, 's')}"
        when = _plain(span) if result.video.kind == "video" else ""
        lines.append(f"  {_('face {face}', face=track.id)}{when}: {_words(track.verdict)}")
        if track.verdict.probability is not None and track.verdict.reason is not None:
            lines.append(f"    {local(track.verdict.reason)}")
        lines += [f"    {_plain(each)}" for each in statements(track.verdict)]
    lines += [f"  {each}" for each in repeated_persons(result)]
    for place, text in enumerate(survival(result)):
        lines.append(f"  {'' if place == 0 else '  '}{_plain(text)}")
    for title, message in (
        (_("not analysed"), coverage.not_analysed),
        (_("passing face, not judged"), coverage.passing),
        (_("hardly a face, not judged"), coverage.doubtful),
        (_("note"), result.warnings),
    ):
        for each in message:
            line = _("{title}: {text}", title=title, text=local(each))
            lines.append(f"  {line}")
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    from unmask.report.language.sentences import sentence
    from unmask.report.language.translation import _, ngettext
    from unmask.report.quantities import NOT_MEASURED, percent
    from unmask.report.wording import local_word, phrase

    if verdict.probability is None:
        return f"{local_word(verdict.word)} ({sentence(verdict.reason or '')})"
    between = _(NOT_MEASURED)
    if verdict.interval is not None:
        low, high = map(percent, verdict.interval)
        between = _("{low} to {high}", low=low, high=high)
    frames = ngettext("{count} key frame", "{count} key frames", verdict.frames_used)
    text = _(
        "probability {probability}, 95 % range {range}, {frames}",
        probability=percent(verdict.probability),
        range=between,
        frames=frames,
    )
    return f"{phrase(verdict.word)} ({_plain(text)})"


def _plain(text: str) -> str:
    """Return words of a report for a terminal, where they are searched: with plain spaces."""
    return visible(text).replace("\u00a0", " ")
