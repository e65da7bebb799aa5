"""`unmask data merge`: one crop store of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    stores: Annotated[
        list[Path],
        typer.Argument(
            help="Folders that `unmask data crops --shard` wrote, of one manifest.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new store.")],
) -> None:
    """Make one crop store of those that several runs cut.

    Stop and go on at any moment.
    """
    from unmask.cli.runs.crops import describe_store
    from unmask.crops.merge import merge_stores
    from unmask.system.remote_files import refuse_address

    refuse_address(output)
    typer.echo(describe_store(merge_stores(stores, output), output))
