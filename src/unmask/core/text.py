"""Text of any origin, so that a screen or a page shows all of its characters.

Names and metadata in a file are written by whoever made it: they are shown, never obeyed.
"""

from __future__ import annotations

import unicodedata

UNSEEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
"""Unicode categories without a picture of their own: controls, directions, surrogates, ..."""


def visible(text: str) -> str:
    r"""Replace characters that cannot be seen, or that reorder text, by their code points.

    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    if text.isascii() and text.isprintable():  # pictures written into a page are a million letters
        return text
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
