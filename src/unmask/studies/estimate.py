"""A number of a study with its interval and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Estimate:
    """A number with what it rests on."""

    value: float | None
    """The number; None where it cannot be given."""
    low: float | None
    """Lower end of the 95 % interval; None where there is none."""
    high: float | None
    """Upper end."""
    units: int
    """Crops, videos or pairs that it was computed from, in each run."""
    clusters: int
    """Source videos or persons that the interval draws."""
    runs: int
    """Seeds (or folds of them) that it is a mean over."""

    @property
    def text(self) -> str:
        """Number and interval in one line."""
        if self.value is None:
            return "not measured"
        ends = (
            "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        )
        return f"{self.value:.3f}{ends}"

    @property
    def signed(self) -> str:
        """The same for a difference."""
        if self.value is None:
            return "not measured"
        ends = (
            " (no interval)"
            if self.low is None or self.high is None
            else f" [{self.low:+.3f}, {self.high:+.3f}]"
        )
        return f"{self.value:+.3f}{ends}"

    @property
    def sign(self) -> Literal["above", "below", "open"]:
        """Whether the interval lies above zero, below it, or holds it (or there is none)."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "open"
        return "above" if self.low > 0 else "below"
