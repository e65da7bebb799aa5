"""`unmask data index`: from a folder on disk to a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.tables import print_some, print_table
from unmask.core.text import visible
from unmask.system.remote_files import check_place

if TYPE_CHECKING:
    from unmask.datasets.layouts.layout import FolderContents
    from unmask.datasets.manifest import VideoRecord


Output = Annotated[Path, typer.Option("-o", "--output", help="Manifest to write (Parquet).")]


def index(
    layout: Annotated[str, typer.Argument(help="Name of a layout, such as ffpp.")],
    folder: Annotated[Path, typer.Argument(help="The data set's folder.")],
    output: Output,
) -> None:
    """Write a manifest of a data set's folder.

    Videos are found by folders and lists; none is opened.
    """
    from importlib.metadata import version

    from unmask.cli.inputs import refuse_overwriting
    from unmask.datasets.layouts import layout as layout_of
    from unmask.datasets.layouts.crop_files import file_path
    from unmask.datasets.layouts.layout import make_manifest
    from unmask.datasets.manifest import write_manifest

    chosen = layout_of(layout)
    check_place(output)
    refuse_overwriting([output], [folder])
    contents = chosen.index(folder)
    root = folder.parent if folder.is_file() else folder
    if output.exists():
        refuse_overwriting([output], {root / file_path(record.id) for record in contents.records})
    manifest = make_manifest(chosen, root, contents, version=version("unmask"))
    write_manifest(manifest, output)
    _print_found(contents)
    typer.echo(f"\n{len(manifest)} rows written to {output}")


def _print_found(measurements: FolderContents) -> None:
    from collections import Counter

    counts = Counter(map(_group_key, measurements.records))
    rows = [(*group, str(count)) for group, count in sorted(counts.items())]
    print_table(("label", "method", "part", "compression", "split", "rows"), rows)
    print_some("not placed", [f"{each.path}: {each.reason}" for each in measurements.unknown])
    for warning in measurements.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)


def _group_key(record: VideoRecord) -> tuple[str, ...]:
    values = (record.label, record.method, record.part, record.compression, record.split)
    return tuple(value or "-" for value in values)
