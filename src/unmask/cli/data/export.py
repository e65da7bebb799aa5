"""`unmask data export`: what it takes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.data.crops import Store


class Layout(StrEnum):
    """Names of `crops.export.LAYOUTS`."""

    IMAGEFOLDER = "imagefolder"
    WEBDATASET = "webdataset"
    DATASETS = "datasets"


def export(
    store: Store,
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder to write.")],
    layout: Annotated[
        Layout,
        typer.Option(
            "--format",
            help="`imagefolder` of torchvision, `webdataset` (tar files), or `datasets` of Hugging "
            "Face (Parquet).",
        ),
    ],
    uncertain_fakes: Annotated[
        bool,
        typer.Option(
            "--uncertain-fakes", help="Keep crops of fakes whose face may not be the forged one."
        ),
    ] = False,
) -> None:
    """Write a crop store in a layout that other programs read."""
    from unmask.crops.export import export_crops
    from unmask.crops.rows import say_left_out
    from unmask.crops.store import CropStore
    from unmask.system.files import check_parent_folder

    check_parent_folder(output)
    done = export_crops(CropStore(store), output, layout.value, uncertain_fakes=uncertain_fakes)
    counts = ", ".join(f"{split} {count}" for split, count in sorted(done.splits.items()))
    if done.left_out:
        typer.echo(f"note: {say_left_out(done.left_out)}", err=True)
    typer.echo(f"{output}: {sum(done.splits.values())} crops ({counts})")
