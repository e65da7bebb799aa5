"""The language of each answer: what its reader chose on a page, else what the browser asks for."""

from __future__ import annotations

from fastapi import Request

from unmask.report.language.translation import LANGUAGES

COOKIE = "unmask_language"
"""Holds the code that a reader chose."""


def language_of(request: Request) -> str:
    """Return the code of the language in which a request is answered."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else accepted(request.headers.get("accept-language", ""))


def accepted(header: str) -> str:
    """Return the language that a browser likes best, English where it is none of ours.

    Args:
        header: the value of Accept-Language (RFC 9110, section 12.5.4).

    >>> accepted("it, fr-CH;q=0.8, de;q=0.9"), accepted("*"), accepted("de;q=x")
    ('de', 'en', 'en')
    """
    best, most = "en", 0.0
    for each in header.split(","):
        tag, _, weight = each.partition(";")
        code = tag.strip().lower().partition("-")[0]
        likes = _quality(weight)
        if code in LANGUAGES and likes > most:
            best, most = code, likes
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
