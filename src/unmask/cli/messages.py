"""Errors and hints as the command line shows them."""

from __future__ import annotations

import sys

import typer

from unmask.core.errors import UnmaskError
from unmask.core.text import one_line
from unmask.report.language.sentences import sentence


def complain(error: Exception) -> None:
    """Print an error and its hint to standard error."""
    hint = error.hint if isinstance(error, UnmaskError) else f"see `{command_at_hand()} --help`"
    text, next_step = one_line(sentence(str(error))), one_line(sentence(hint))
    sys.stderr.write(f"error: {text}\nhint: {next_step}\n")


def command_at_hand() -> str:
    """Return the command that was called, without its options: `unmask data crops`."""
    # loaded by then; an import of it here would be a circle
    command = typer.main.get_command(sys.modules["unmask.cli.app"].app)
    words = ["unmask"]
    for word in sys.argv[1:]:
        if word in (below := getattr(command, "commands", {})):
            command = below[word]
            words.append(word)
        elif not word.startswith("-"):
            break
    return " ".join(words)
