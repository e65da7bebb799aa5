"""The page in another language: every word of ours comes from the catalogue."""

from __future__ import annotations

import gettext
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from unmask.core.scan import Scan
from unmask.core.scan_record import ContentCredentials, Custody, Examination
from unmask.report.html import to_html, to_html_batch
from unmask.report.language.translation import Language, in_language

_DATA = {"bdi", "code", "style", "script", "pre"}
"""Elements that hold what is not ours to translate."""
_CLASSES = {"mono", "code"}
_READ_ALOUD = {"aria-label", "alt", "title", "placeholder", "data-text", "data-between", "data-of"}
_VOID = {"meta", "link", "img", "input", "br", "hr"}
_NO_WORDS = re.compile(
    r"SHA-256|unmask [\d.]+|GradCAM|SmoothGrad|\b(px|s|fps|kB|MB|GB|UTC)\b|&\w+;|[\W\d_]", re.ASCII
)


class _Marked(gettext.NullTranslations):
    """Puts each text of the catalogue in brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid2}⟧"


class _Unmarked(HTMLParser):
    """Collects words that stand outside brackets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._data_depth: list[bool] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs)
        for name in _READ_ALOUD & set(value):
            self._look(value[name] or "")
        if tag not in _VOID:
            classes = set((value.get("class") or "").split())
            self._data_depth.append(tag in _DATA or bool(classes & _CLASSES))

    def handle_endtag(self, tag: str) -> None:
        self._data_depth.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._data_depth):
            self._look(data)

    def _look(self, text: str) -> None:
        while "⟦" in text:  # the innermost first
            text = re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
        if _NO_WORDS.sub("", text):
            self.words.append(text.strip())


@pytest.fixture
def whole(scan: Scan) -> Scan:
    """Return a scan with all that a page can say."""
    custody = Custody("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z", 60, None, None)
    tracks = scan.result.tracks
    result = replace(
        scan.result,
        custody=custody,
        credentials=ContentCredentials(
            "valid", "a camera", "A press", "2026", ("digitalCapture",), ("code",), "print"
        ),
        verdict=replace(scan.result.verdict, faces_judged=2, deciding_track=1),
        tracks=(tracks[0], *(replace(t, key_frames=t.key_frames[:1]) for t in tracks[1:])),
    )
    return replace(scan, result=result)


def test_no_word_of_a_page_bypasses_the_catalogue(whole: Scan) -> None:
    examination = Examination("case", "analyst", "note")
    with in_language(Language("xx", _Marked())):
        page = to_html_batch([whole, whole], [("bad.mp4", "it is empty")], examination=examination)
    assert _Unmarked(page.replace("interview final.mp4", "")).words == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("de", "Deutliche Hinweise auf Manipulation"),
        ("fr", "Indices solides de manipulation"),
        ("es", "Indicios sólidos de manipulación"),
    ],
)
def test_a_page_is_in_its_language(scan: Scan, code: str, said: str) -> None:
    with in_language(code):
        page = to_html(scan)
    assert f'<html lang="{code}">' in page
    assert said in page


def test_numbers_are_written_as_the_language_does(scan: Scan) -> None:
    with in_language("de"):
        page = to_html(scan)
    assert "18,3\u00a0MB (18.345.120\u00a0Bytes)" in page
    assert "0:24,23" in page
