"""Options that take many values after one name, as a shell writes `--data *.parquet`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

_MANY = ("--data", "--validation", "--test", "--set")


class ManyValues(TyperCommand):
    """Lets `--data a b` stand for `--data a --data b`, as a shell writes `--data *.parquet`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spread the words before they are read."""
        return super().parse_args(ctx, repeat_options(args))


def repeat_options(words: list[str]) -> list[str]:
    """Return the words with the option before each value of an option that takes many.

    >>> repeat_options(["r", "--data", "a", "b", "-o", "run"])
    ['r', '--data', 'a', '--data', 'b', '-o', 'run']
    """
    spread: list[str] = []
    option = None
    for word in words:
        if word.startswith("-"):
            option = word if word in _MANY else None
        elif option is not None and spread[-1] != option:
            spread.append(option)
        spread.append(word)
    return spread
