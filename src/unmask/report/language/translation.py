"""The language that results are put into words in, and its catalogues.

English is the language of the program and of its JSON; German, French and Spanish are catalogues
in `locale`, which `tools/catalogues.py` extracts and compiles. The language holds for a context
(`in_language`), so that a server can answer each reader in theirs. What a result says in English
sentences (reasons, warnings) is matched with the patterns of `sentences` and put into the language
when it is shown: the JSON is the same in every language.
"""

from __future__ import annotations

import gettext as catalogues
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import resources

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
}
"""Codes of the languages, each with its own name for itself."""

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


@dataclass(frozen=True, eq=False)
class Language:
    """A language with its catalogue and its way to write numbers."""

    code: str
    """One of `LANGUAGES`."""
    catalogue: catalogues.NullTranslations
    """English texts with their translations."""
    decimal_mark: str = "."
    """Before the decimals."""
    group_mark: str = ","
    """Between thousands."""


_MARKS = {"en": (".", ","), "de": (",", "."), "fr": (",", "\u202f"), "es": (",", ".")}


@cache
def language_named(code: str) -> Language:
    """Return a language.

    Raises:
        ValueError: there is no such language.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {code!r}")
    if code == "en":
        return Language(code, catalogues.NullTranslations())
    with (resources.files("unmask.report.language") / "locale" / f"{code}.mo").open("rb") as file:
        return Language(code, catalogues.GNUTranslations(file), *_MARKS[code])


_current: ContextVar[Language | None] = ContextVar("language", default=None)


def language() -> Language:
    """Return the language in force, English where none was chosen."""
    return _current.get() or language_named("en")


def choose_language(code: str) -> None:
    """Put what follows in this context into a language.

    Raises:
        ValueError: there is no such language.
    """
    _current.set(language_named(code))


@contextmanager
def in_language(chosen: str | Language) -> Iterator[None]:
    """Put what happens inside into a language.

    >>> with in_language("de"):
    ...     _("some evidence")
    'einige Hinweise'
    """
    named = language_named(chosen) if isinstance(chosen, str) else chosen
    token = _current.set(named)
    try:
        yield
    finally:
        _current.reset(token)


def language_of_environment(environment: Mapping[str, str] | None = None) -> str:
    """Return the language that the environment asks for, English where it is none of ours.

    >>> language_of_environment({"LC_ALL": "", "LANG": "fr_CH.UTF-8"})
    'fr'
    """
    variables = os.environ if environment is None else environment
    request = next((value for name in _VARIABLES if (value := variables.get(name))), "")
    code = re.split(r"[_.@-]", request)[0].lower()
    return code if code in LANGUAGES else "en"


def _(text: str, /, **values: object) -> str:
    """Return a text in the language in force, with its values filled in."""
    return _filled(language().catalogue.gettext(text), values)


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """Return a text for a number of things; `{count}` in it is that number.

    >>> ngettext("{count} face", "{count} faces", 2)
    '2 faces'
    """
    return _filled(language().catalogue.ngettext(one, many, count), {"count": count, **values})


def _filled(text: str, values: Mapping[str, object]) -> str:
    return text.format(**values) if values else text


def N_(text: str) -> str:  # noqa: N802 - gettext's usual name: marks a text for the catalogue
    """Return a text as it is; it is translated where it is shown."""
    return text


def local_number(english: str) -> str:
    """Write a number that is written the English way (`1,234.5`) as the language does."""
    now = language()
    return english.translate(str.maketrans(".,", now.decimal_mark + now.group_mark))
