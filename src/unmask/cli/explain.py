"""`unmask explain`: what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.options import Device, Language, OnDevice
from unmask.core.settings import ScanSettings
from unmask.report.language.translation import choose_language, language_of_environment

METHODS_HELP = (
    "Methods, separated by commas, of: gradcam, gradcam++, faster-scorecam, smoothgrad, "
    "gradient-x-attention and attention-rollout (of transformers), occlusion."
)

Seed = Annotated[int, typer.Option(help="Seed of whatever is random.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the networks.")]


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
    methods: Annotated[str, typer.Option(help=METHODS_HELP)] = "gradcam",
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
    device: OnDevice = Device.AUTO,
    language: Language = None,
) -> None:
    """Write maps of where the model looked.

    For a crop, a picture or a video's key frames.

    Prints a line per map: where it lies in the face. A map is not proof.
    """
    from unmask.bundle.catalogue import find
    from unmask.cli.options import parse_methods
    from unmask.cli.runs.explain import ExplainRequest, run_explain

    choose_language(language or language_of_environment())
    request = ExplainRequest(
        methods=None if all_methods else parse_methods(methods),
        output=output,
        video=video,
        crop=crop,
        detector=None if detector is None else find(detector),
        budget=budget,
        seed=seed,
        threads=threads,
        device=device.value,
    )
    raise typer.Exit(run_explain(inputs, request))
