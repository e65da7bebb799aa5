"""`unmask explain` and `unmask explain-check`: maps as files and films, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_ALL = "gradcam,gradcam++,faster-scorecam,smoothgrad,occlusion"
_METHODS = f"Methods, separated by commas, of: {_ALL.replace(',', ', ')}."

Detector = Annotated[
    Path | None, typer.Option(help="Folder of a detector bundle.", show_default="the shipped one")
]
Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the networks.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(explain)
    app.command("explain-check")(explain_check)


def explain(  # noqa: PLR0917 - the parameters are the options
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Videos, pictures, folders or lists, as of `scan`.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for NPZ and PNG files.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Write the clip with boxes, scores and map drawn on it.")
    ] = None,
    methods: Annotated[str, typer.Option(help=_METHODS)] = "gradcam",
    all_methods: Annotated[bool, typer.Option("--all", help="All methods.")] = False,
    crop: Annotated[
        bool, typer.Option("--crop", help="Inputs are pictures that are face crops already.")
    ] = False,
    detector: Detector = None,
    budget: Annotated[int, typer.Option(help="Most key frames of a face.")] = 32,
    seed: Seed = 0,
    threads: Threads = 2,
) -> None:
    """Write maps of where the model looked, for a crop, a picture or a video's key frames.

    Prints a line per map: where it lies in the face. A map is not proof.
    """
    from unmask.cli.app import methods_named
    from unmask.cli.explain_files import Wanted, run_explain

    wanted = Wanted(
        methods=methods_named(_ALL if all_methods else methods),
        output=output,
        video=video,
        crop=crop,
        detector=detector,
        budget=budget,
        seed=seed,
        threads=threads,
    )
    raise typer.Exit(run_explain(inputs, wanted))


def explain_check(  # noqa: PLR0917 - the parameters are the options
    crops: Annotated[
        Path | None,
        typer.Argument(
            help="A crop store of `unmask data crops`, or a folder of face crops as pictures.",
            show_default=False,
        ),
    ] = None,
    detector: Detector = None,
    synthetic: Annotated[
        int, typer.Option(min=0, help="Check on so many forgeries made on the spot, too.")
    ] = 0,
    masks: Annotated[
        bool, typer.Option("--masks", help="Read manipulation masks (a.png: a.mask.png).")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and the figures.")
    ] = Path("explain-check"),
    methods: Annotated[str, typer.Option(help=_METHODS)] = _ALL,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most crops, evenly spread.", show_default="all")
    ] = None,
    seed: Seed = 0,
    threads: Threads = 2,
) -> None:
    """Measure whether a detector's maps are any good, and print a verdict per method.

    Writes index.html, maps.parquet and agreement.parquet. Exit code 1: a method is untrustworthy.
    """
    from unmask.cli.app import methods_named
    from unmask.cli.explain_checking import Asked, run_explain_check

    asked = Asked(
        crops=crops,
        detector=detector,
        synthetic=synthetic,
        masks=masks,
        output=output,
        methods=methods_named(methods),
        limit=limit,
        seed=seed,
        threads=threads,
    )
    raise typer.Exit(run_explain_check(asked))
