"""A scan's result as a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask.values import ScanRecord, Verdict


def headline(result: ScanRecord) -> str:
    """Put a file and its verdict on one line."""
    from unmask.report.wording import visible

    return f"{visible(result.video.path)}: {_words(result.verdict)}"


def summary(result: ScanRecord) -> str:
    """Put a result into a few lines of text."""
    from unmask.report.wording import (
        decided,
        misses,
        rate,
        repeated_persons,
        statements,
        survival,
        visible,
    )

    lines = [headline(result)]
    lines += [
        f"  {_plain(said)}"
        for said in (decided(result.verdict), rate(result.verdict), misses(result))
        if said is not None
    ]
    for track in result.tracks:
        span = f", {track.start_seconds:.1f}-{track.end_seconds:.1f} s"
        when = span if result.video.kind == "video" else ""
        lines.append(f"  face {track.id}{when}: {_words(track.verdict)}")
        if track.verdict.probability is not None and track.verdict.reason is not None:
            lines.append(f"    {visible(track.verdict.reason)}")
        lines += [f"    {_plain(said)}" for said in statements(track.verdict)]
    lines += [f"  {said}" for said in repeated_persons(result)]
    for place, said in enumerate(survival(result)):
        lines.append(f"  {'' if place == 0 else '  '}{_plain(said)}")
    lines += [f"  not analysed: {visible(reason)}" for reason in result.coverage.not_analysed]
    lines += [f"  passing face, not judged: {visible(each)}" for each in result.coverage.passing]
    lines += [f"  hardly a face, not judged: {visible(each)}" for each in result.coverage.doubtful]
    lines += [f"  note: {visible(warning)}" for warning in result.warnings]
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    from unmask.report.wording import NOT_MEASURED, percent, phrase

    if verdict.probability is None:
        return f"cannot judge ({verdict.reason})"
    between = NOT_MEASURED
    if verdict.interval is not None:
        between = " to ".join(percent(bound) for bound in verdict.interval)
    frames = f"{verdict.frames_used} key frame{'' if verdict.frames_used == 1 else 's'}"
    said = f"probability {percent(verdict.probability)}, 95 % range {between}, {frames}"
    return f"{phrase(verdict.word)} ({_plain(said)})"


def _plain(text: str) -> str:
    """Return words of a report for a terminal, where they are searched: with plain spaces."""
    from unmask.report.wording import visible

    return visible(text).replace("\u00a0", " ")
