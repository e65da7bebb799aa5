"""`unmask explain` and `unmask explain-check`: maps as files and films, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.settings import ScanSettings

_METHODS = (
    "Methods, separated by commas, of: gradcam, gradcam++, faster-scorecam, smoothgrad, occlusion."
)

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
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for NPZ and PNG files, named as the input without its suffix, the face "
            "and the frame; inputs that share such a name keep the suffix, then get their folder's "
            "name before it, then a number.",
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            help="Write the clip with boxes, scores and map drawn on it: "
            "a .mp4, .m4v, .mov or .mkv file."
        ),
    ] = None,
    methods: Annotated[str, typer.Option(help=_METHODS)] = "gradcam",
    all_methods: Annotated[bool, typer.Option("--all", help="All methods.")] = False,
    crop: Annotated[
        bool, typer.Option("--crop", help="Inputs are pictures that are face crops already.")
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(
            help="A folder, or a name of `detectors list`.", show_default="the shipped one"
        ),
    ] = None,
    budget: Annotated[int, typer.Option(help="Most key frames of a face.")] = ScanSettings.budget,
    seed: Seed = 0,
    threads: Threads = 2,
) -> None:
    """Write maps of where the model looked.

    For a crop, a picture or a video's key frames.

    Prints a line per map: where it lies in the face. A map is not proof.
    """
    from unmask.catalogue import find
    from unmask.cli.app import methods_named
    from unmask.cli.explain_files import Wanted, run_explain

    wanted = Wanted(
        methods=None if all_methods else methods_named(methods),
        output=output,
        video=video,
        crop=crop,
        detector=None if detector is None else find(detector),
        budget=budget,
        seed=seed,
        threads=threads,
    )
    raise typer.Exit(run_explain(inputs, wanted))


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
        typer.Option(help=_METHODS, show_default="all that the detector can be explained with"),
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
) -> None:
    """Measure whether a detector's maps are any good.

    Prints a verdict per method.

    Writes index.html, maps.parquet, agreement.parquet and metrics.json (for a bundle to carry).
    Exit code 1: a method is untrustworthy.
    """
    from unmask.catalogue import find
    from unmask.cli.app import methods_named
    from unmask.cli.evaluation_run import split_named
    from unmask.cli.explain_checking import Asked, run_explain_check

    asked = Asked(
        crops=crops,
        split=split_named(split),
        detector=find(detector),
        synthetic=synthetic,
        masks=masks,
        output=output,
        methods=None if methods is None else methods_named(methods),
        limit=limit,
        seed=seed,
        threads=threads,
        write=write,
    )
    raise typer.Exit(run_explain_check(asked))
