"""`unmask data synth`: a tiny invented data set in the structure of a real one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from unmask.system.files import name_full_disk


def synth(
    layout: Annotated[str, typer.Argument(help="Name of a layout, such as ffpp.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to fill: a new or an empty one.")
    ],
    size: Annotated[
        str | None,
        typer.Option(
            help="small or medium: enough clips to train, calibrate and measure a toy detector "
            "(ffpp only).",
            show_default="tiny",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Another seed gives other recordings.")
    ] = 0,
) -> None:
    """Make an invented data set in a known layout.

    With its folders, names and lists.
    """
    from rich.console import Console

    make = _maker(layout, size)
    _check_empty(output)
    beside = output.absolute().parent
    beside.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with (
        Console(stderr=True).status(f"filming and forging {layout}"),
        name_full_disk(output),
        TemporaryDirectory(dir=beside, prefix=".synth.") as folder,
    ):
        filled = Path(folder) / output.absolute().name  # some layouts go by the folder's name
        filled.mkdir()
        make(filled, seed)
        output.mkdir(exist_ok=True)
        for each in filled.iterdir():
            each.rename(output / each.name)
    seconds = time.perf_counter() - began
    sizes = [path.stat().st_size for path in output.rglob("*") if path.is_file()]
    typer.echo(
        f"{layout}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, made in {seconds:.1f} s in "
        f"{output}"
    )


def _maker(layout: str, size: str | None) -> Callable[[Path, int], None]:
    from unmask.datasets.synth import SIZED, SIZES, SYNTH

    if layout not in SYNTH:
        raise ValueError(f"nothing to make for {layout!r}; layouts: {', '.join(SYNTH)}")
    if size is None:
        return SYNTH[layout]
    if layout not in SIZED or size not in SIZES:
        raise ValueError(
            f"no size {size!r} of {layout!r}; {', '.join(SIZED)} can be {' or '.join(SIZES)}"
        )
    make = SIZED[layout]
    return lambda root, seed: make(root, seed, size)


def _check_empty(folder: Path) -> None:
    from unmask.core.errors import InputError

    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file", hint="name a new or an empty folder")
    first = min(folder.iterdir(), default=None) if folder.is_dir() else None
    if first is not None:
        raise InputError(
            f"{str(folder)!r} is not empty, it holds {first.name!r}",
            hint="name a new or an empty folder",
        )
