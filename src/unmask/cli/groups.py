"""The list of commands in `unmask --help`, by what one wants to do."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Examine": ("scan", "results", "serve", "explain", "keyframes", "schema", "doctor"),
    "Build": (
        "data",
        "train",
        "export",
        "import",
        "detectors",
        "predict",
        "scores",
        "evaluate",
        "compare",
        "calibrate",
        "card",
        "stress",
        "explain-check",
    ),
    "Study": ("study",),
}
"""Headings, with the commands under each in their order."""


class GroupedCommands(TyperGroup):
    """Commands under headings; typer has no public names for what its methods take."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the groups; a command in none of them comes last."""
        named = [name for names in GROUPS.values() for name in names]
        known = super().list_commands(ctx)
        return [name for name in named if name in known] + [n for n in known if n not in named]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, a part for each group."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(len(name) for name in names)
        grouped = {name for group in GROUPS.values() for name in group}
        parts = {**GROUPS, "Other": tuple(name for name in names if name not in grouped)}
        for heading, part in parts.items():
            commands = [(name, self.get_command(ctx, name)) for name in part if name in names]
            lines = [(name, each.get_short_help_str(width)) for name, each in commands if each]
            if lines:
                with formatter.section(f"{heading} commands"):
                    formatter.write_dl(lines)
