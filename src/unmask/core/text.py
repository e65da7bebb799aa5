"""Characters that text from a stranger's file must not bring to a screen."""

from __future__ import annotations

UNSEEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
"""Unicode categories without a picture of their own: controls, directions, surrogates, ..."""
