"""`unmask explain-check`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.explain import METHODS_HELP, Seed, Threads
from unmask.cli.options import Device, OnDevice


def explain_check(  # noqa: PLR0917 - the parameters are the options
    detector: Annotated[
        str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
    ],
    crops: Annotated[
        Path | None,
        typer.Argument(
            help="A crop store of `unmask data crops`, a Parquet file of crops as of `predict`, "
            "or a folder of face crops as pictures.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Only train, validation or test, of a store.", show_default="all"),
    ] = None,
    synthetic: Annotated[
        int, typer.Option(min=0, help="Check on so many forgeries made on the spot, too.")
    ] = 0,
    masks: Annotated[
        bool, typer.Option("--masks", help="Read manipulation masks (a.png: a.mask.png).")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and the figures.")
    ] = Path("explain-check"),
    methods: Annotated[
        str | None,
        typer.Option(help=METHODS_HELP, show_default="all that the detector can be explained with"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most crops: of a table as many real as fake, else spread.",
            show_default="all",
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the figures into the bundle and its card.")
    ] = False,
    seed: Seed = 0,
    threads: Threads = 2,
    device: OnDevice = Device.AUTO,
) -> None:
    """Measure whether a detector's maps are any good.

    Prints a verdict per method.

    Writes index.html, maps.parquet, agreement.parquet and metrics.json (for a bundle to carry).
    Exit code 1: a method is untrustworthy.
    """
    from unmask.bundle.catalogue import find
    from unmask.cli.options import parse_methods
    from unmask.cli.runs.evaluation import parse_split
    from unmask.cli.runs.explain_check import CheckRequest, run_explain_check

    request = CheckRequest(
        crops=crops,
        split=parse_split(split),
        detector=find(detector),
        synthetic=synthetic,
        masks=masks,
        output=output,
        methods=None if methods is None else parse_methods(methods),
        limit=limit,
        seed=seed,
        threads=threads,
        device=device.value,
        write=write,
    )
    raise typer.Exit(run_explain_check(request))
