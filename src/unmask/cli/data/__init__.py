"""`unmask data`: data sets from a folder on disk to face crops; one module per group of commands.

Each module has a function `register(app)` that adds its commands; heavy imports wait until a
command runs.
"""

from __future__ import annotations

import typer

from unmask.cli.data import cropping, indexing, splitting, synthesising

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Data sets: index, verify, split, audit, crop. For those who build detectors.",
)
indexing.register(data_app)
splitting.register(data_app)
cropping.register(data_app)
synthesising.register(data_app)
