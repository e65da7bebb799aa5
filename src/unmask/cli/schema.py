"""`unmask schema`: the JSON schema of a scan's result."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON schema of what `scan --json` writes."""
    import json as json_module

    from unmask.report.document import schema as document_schema

    typer.echo(json_module.dumps(document_schema(), indent=2))
