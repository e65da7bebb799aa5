"""`unmask data`: data sets from a folder on disk to face crops; one module a command.

Heavy imports wait until a command runs.
"""

from __future__ import annotations

import typer

from unmask.cli.data import (
    audit,
    crops,
    export,
    index,
    layouts,
    merge,
    sheet,
    split,
    stats,
    synth,
    verify,
)

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Data sets: index, verify, split, audit, crop, export. For those who build detectors.",
)
data_app.command()(layouts.layouts)
data_app.command()(index.index)
data_app.command(epilog=verify.VERIFY_CODES)(verify.verify)
data_app.command()(split.split)
data_app.command(epilog=audit.AUDIT_CODES)(audit.audit)
data_app.command(epilog=crops.CROPS_CODES)(crops.crops)
data_app.command()(merge.merge)
data_app.command()(stats.stats)
data_app.command()(sheet.sheet)
data_app.command()(synth.synth)
data_app.command()(export.export)
