"""The summary of a run: a row for each file, the most suspicious first; how many need a look."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from unmask.core.scan_record import ScanRecord
from unmask.core.verdicts import Word
from unmask.report.language.sentences import sentence
from unmask.report.language.translation import _, ngettext
from unmask.report.views import suspicion
from unmask.report.wording import local_word

ORDER: tuple[Word, ...] = (
    "substantial evidence",
    "some evidence",
    "inconclusive",
    "cannot judge",
    "little evidence",
)
"""Words in the order of a summary."""
_LOOK = frozenset(["substantial evidence", "some evidence"])
FAILED = "failed"
"""Stands for the word of a file that could not be scanned."""


@dataclass(frozen=True)
class Row:
    """One file in the summary."""

    path: str
    """Path as given."""
    link: str | None
    """Address of its details; None: there are none."""
    word: Word | None
    """Its verdict; None: it could not be scanned."""
    probability: float | None
    """Of the verdict."""
    interval: tuple[float, float] | None
    """Of the probability."""
    faces: int
    """Faces followed."""
    judged: int
    """Of these, judged."""
    complete: bool
    """Whether all of the file was analysed."""
    reason: str | None
    """Why it was not scanned or judged, or what a reader should look at."""
    strong_face: bool = False
    """Whether some face has substantial evidence of its own."""

    @property
    def needs_look(self) -> bool:
        """Whether something in it speaks for manipulation."""
        return self.word in _LOOK or self.strong_face

    @property
    def rank(self) -> tuple[int, float, str]:
        """What rows are sorted by at first."""
        if self.word is None:
            return (ORDER.index("cannot judge"), 0.0, self.path)
        first = 1 if self.strong_face and self.word not in _LOOK else ORDER.index(self.word)
        return (first, -suspicion(self.probability), self.path)


def row(result: ScanRecord, link: str) -> Row:
    """Return the row of a file that was scanned."""
    verdict, coverage = result.verdict, result.coverage
    strong = [t.id for t in result.tracks if t.verdict.word == "substantial evidence"]
    return Row(
        path=result.video.path,
        link=link,
        word=verdict.word,
        probability=verdict.probability,
        interval=verdict.interval,
        faces=coverage.tracks_found,
        judged=coverage.tracks_judged,
        complete=coverage.complete,
        reason=_reason(result, strong),
        strong_face=bool(strong),
    )


def failure_row(path: str, error: str) -> Row:
    """Return the row of a file that could not be scanned."""
    return Row(path, None, None, None, None, 0, 0, complete=False, reason=sentence(error))


def _reason(result: ScanRecord, strong: Sequence[int]) -> str | None:
    verdict = result.verdict
    if strong and verdict.word not in _LOOK:
        return _("face {face} alone: substantial evidence", face=strong[0])
    if verdict.reason is not None:
        return sentence(verdict.reason)
    if verdict.out_of_range is not None:
        return _("not tested on video like this")
    if not result.coverage.not_analysed:
        return None
    return _("not analysed: {what}", what=sentence(result.coverage.not_analysed[0]))


@dataclass(frozen=True)
class Summary:
    """All files of a run."""

    rows: tuple[Row, ...]
    """The most suspicious first."""
    folder: str = ""
    """Folder that holds all files, with a separator at its end; empty where there is none."""

    @property
    def headline(self) -> str:
        """How many files need a look."""
        total, look = len(self.rows), sum(row.needs_look for row in self.rows)
        return ngettext(
            "{count} of {total} files needs a look",
            "{count} of {total} files need a look",
            look,
            total=total,
        )

    @property
    def counts(self) -> tuple[str, ...]:
        """How many files got each word, and how many could not be scanned."""
        words = Counter(row.word for row in self.rows)
        text = [f"{words[word]} {local_word(word)}" for word in ORDER if words[word]]
        if words[None]:
            text.append(_("{count} not scanned", count=words[None]))
        return tuple(text)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that occur, for choosing."""
        present = {row.word for row in self.rows}
        return tuple(word for word in ORDER if word in present)


def summary(rows: Sequence[Row]) -> Summary:
    """Return the summary of rows in any order."""
    return Summary(
        tuple(sorted(rows, key=lambda each: each.rank)), _common_folder([row.path for row in rows])
    )


def _common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all of several paths lie in, as far as their text says."""
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - text
    except ValueError:  # none, absolute and relative ones, or several drives
        return ""
    return folder + os.sep if len(paths) > 1 and folder.strip(os.sep) else ""
