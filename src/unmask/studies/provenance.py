"""What studies ran on, noted as it is opened: material in words, and why its splits leak."""

from __future__ import annotations

from collections import defaultdict

from unmask.studies.crop_set import join_reasons

NEEDS = ("films", "persons", "crops", "detector")
"""What studies run on, in the order in which it is told."""


class Provenance:
    """Notes of the material that was opened, by the need that it serves."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._leaks: dict[str, list[str | None]] = defaultdict(list)

    def note(self, need: str, *lines: str, leak: str | None = None) -> None:
        """Note what was opened for a need, a line each, and why its split leaks."""
        self._lines[need] += lines
        self._leaks[need].append(leak)

    def lines(self, needs: str) -> tuple[str, ...]:
        """Return what a study that needs this ran on, a line each; what was not opened is left."""
        return tuple(line for need in NEEDS if need in needs for line in self._lines[need])

    def leak(self, needs: str) -> str | None:
        """Return why the splits of a study with these needs leak; None where they do not."""
        return join_reasons(leak for need in NEEDS if need in needs for leak in self._leaks[need])
