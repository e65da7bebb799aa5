"""`unmask data layouts`: the data sets that are known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.tables import print_table

if TYPE_CHECKING:
    from unmask.datasets.layouts.layout import Expected, Layout


JSON_VERSION = 1
"""Version of what `layouts --json` prints."""


def layouts(
    name: Annotated[
        str | None, typer.Argument(help="Show one in full.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the data sets known, or describe one.

    Of one: its folders, its counts, and what is easily missed.
    """
    from unmask.datasets.layouts import LAYOUTS, layout

    chosen = [layout(name)] if name else list(LAYOUTS.values())
    if json:
        typer.echo(_as_json(chosen))
    elif name:
        typer.echo(_in_full(chosen[0]))
    else:
        rows = [(each.name, each.kind, each.title) for each in chosen]
        print_table(("name", "a row is a", "data set"), rows)
        typer.echo("\n`unmask data layouts NAME` shows one in full.")


def _as_json(layouts: Iterable[Layout]) -> str:
    import json
    from dataclasses import fields

    described = [
        {f.name: getattr(each, f.name) for f in fields(each) if f.name != "index"}
        for each in layouts
    ]
    document: dict[str, Any] = {"version": JSON_VERSION, "layouts": described}
    return json.dumps(document, indent=2, ensure_ascii=False, default=_asdict)


def _asdict(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)


def _in_full(layout: Layout) -> str:
    from textwrap import fill, indent

    facts = [fill(f"- {fact}", width=96, subsequent_indent="  ") for fact in layout.facts]
    counts = [f"{each.count:>7}  {_describe_kind(each)}" for each in layout.expected]
    parts = {
        "folders and files": layout.tree,
        f"complete, rows ({layout.kind}s)": "\n".join(counts) or "any number",
        "easily missed": "\n".join(facts),
        "where": fill(layout.where, width=96),
        "licence": layout.licence,
    }
    sections = [f"{title}:\n{indent(text, '  ')}" for title, text in parts.items()]
    return "\n".join([f"{layout.name}: {layout.title}", *sections])


def _describe_kind(expected: Expected) -> str:
    """Return in words what is counted."""
    words = (expected.label, expected.method, expected.part, expected.split)
    return " ".join(word for word in words if word) or "all"
