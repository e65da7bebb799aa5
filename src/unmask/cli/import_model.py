"""`unmask import onnx | timm | deepfakebench | hf`: detectors that were trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import import_options as options
from unmask.cli.runs.bundle import print_bundle, print_step
from unmask.core.settings import DEFAULT_MARGIN_RATIO

if TYPE_CHECKING:
    from unmask.training.model_import import Statement

IMPORT_CODES = (
    "Exit codes: 0 the bundle was written; 2 it was not: the file does not fit, may do more than "
    "compute, or the bundle does not say what its source says."
)

import_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make detectors of models that were trained elsewhere.",
)


@import_app.command(epilog=IMPORT_CODES)
def onnx(  # noqa: PLR0917 - the parameters are the options
    source: Annotated[Path, typer.Argument(metavar="FILE.onnx", show_default=False)],
    output: options.Output,
    preprocess: options.Preprocess,
    fake: options.Fake = None,
    single: options.Single = options.Label.FAKE,
    outputs: options.Outputs = options.Scale.LOGITS,
    output_name: options.OutputName = None,
    size: options.Size = None,
    mean: options.Mean = None,
    std: options.Std = None,
    colours: options.ColourOrder = options.Colours.RGB,
    margin: options.Margin = DEFAULT_MARGIN_RATIO,
    shift: options.Shift = 0.0,
    validation: options.Validation = None,
    name: options.Name = None,
    licence: options.Licence = None,
    trained_on: options.TrainedOn = None,
    limits: options.Limits = None,
) -> None:
    """Make a detector of an ONNX classifier.

    It is explained by occlusion alone: a file of scores gives no feature map and no gradient.
    """
    from unmask.training.model_import import NORMALISATIONS, Framing, import_onnx
    from unmask.training.networks.onnx_import import OnnxFacts

    usual = NORMALISATIONS[preprocess.value]
    bundle = import_onnx(
        source,
        output,
        facts=OnnxFacts(
            output=output_name,
            fake=fake,
            scale=outputs.value,
            single=single.value,
            colours=colours.value,
            size_px=size,
        ),
        framing=Framing(margin, shift, size, mean or usual[0], std or usual[1]),
        statement=_statement(name or source.stem, licence, trained_on, limits, validation),
        say=print_step,
    )
    print_bundle(bundle)
    typer.echo("it gives no feature map: `unmask explain` makes maps by occlusion alone")


@import_app.command(epilog=IMPORT_CODES)
def timm(  # noqa: PLR0917 - the parameters are the options
    network: Annotated[
        str, typer.Argument(metavar="NAME", help="The network's name in timm.", show_default=False)
    ],
    weights: Annotated[
        Path,
        typer.Option(help="Its weights with its classifier, .safetensors, .pt or .pth."),
    ],
    output: options.Output,
    fake: options.Fake = None,
    single: options.Single = options.Label.FAKE,
    size: options.Size = None,
    mean: options.OwnMean = None,
    std: options.OwnStd = None,
    margin: options.Margin = DEFAULT_MARGIN_RATIO,
    shift: options.Shift = 0.0,
    gradient: options.Gradient = True,
    validation: options.Validation = None,
    name: options.Name = None,
    licence: options.Licence = None,
    trained_on: options.TrainedOn = None,
    limits: options.Limits = None,
) -> None:
    """Make a detector of one of timm's classifiers."""
    from unmask.training.model_import import Framing, import_timm

    bundle = import_timm(
        network,
        weights,
        output,
        framing=Framing(margin, shift, size, mean, std),
        statement=_statement(name or weights.stem, licence, trained_on, limits, validation),
        fake=fake,
        single=single.value,
        gradient=gradient,
        say=print_step,
    )
    print_bundle(bundle)


@import_app.command(epilog=IMPORT_CODES)
def deepfakebench(  # noqa: PLR0917 - the parameters are the options
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", show_default=False)],
    model: Annotated[str, typer.Option(help="Its network: xception, efficientnetb4 or resnet34.")],
    output: options.Output,
    size: options.Size = None,
    mean: options.OwnMean = None,
    std: options.OwnStd = None,
    margin: options.Margin = DEFAULT_MARGIN_RATIO,
    shift: options.Shift = 0.0,
    gradient: options.Gradient = True,
    validation: options.Validation = None,
    name: options.Name = None,
    licence: options.Licence = None,
    trained_on: options.TrainedOn = None,
    limits: options.Limits = None,
) -> None:
    """Make a detector of a checkpoint of DeepfakeBench."""
    from unmask.training.model_import import Framing, import_deepfakebench

    bundle = import_deepfakebench(
        checkpoint,
        model,
        output,
        framing=Framing(margin, shift, size, mean, std),
        statement=_statement(name or checkpoint.stem, licence, trained_on, limits, validation),
        gradient=gradient,
        say=print_step,
    )
    print_bundle(bundle)


@import_app.command(epilog=IMPORT_CODES)
def hf(  # noqa: PLR0917 - the parameters are the options
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="On the Hub.", show_default=False)
    ],
    output: options.Output,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit.", show_default="the default branch")
    ] = None,
    fake: options.FakeLabel = None,
    single: options.Single = options.Label.FAKE,
    size: options.Size = None,
    mean: options.OwnMean = None,
    std: options.OwnStd = None,
    margin: options.Margin = DEFAULT_MARGIN_RATIO,
    shift: options.Shift = 0.0,
    gradient: options.Gradient = True,
    validation: options.Validation = None,
    name: options.Name = None,
    licence: options.Licence = None,
    trained_on: options.TrainedOn = None,
    limits: options.Limits = None,
) -> None:
    """Fetch an image classifier from the Hugging Face Hub, and make a detector of it.

    Of transformers or timm, with weights as safetensors; no code is fetched. The only import that
    uses the network.
    """
    from unmask.training.model_import import Framing, import_hub

    own_name = name or repository.rpartition("/")[2]
    bundle = import_hub(
        repository,
        output,
        framing=Framing(margin, shift, size, mean, std),
        statement=_statement(own_name, licence, trained_on, limits, validation),
        revision=revision,
        fake=fake,
        single=single.value,
        gradient=gradient,
        say=print_step,
    )
    print_bundle(bundle)


def _statement(
    name: str,
    licence: str | None,
    trained_on: str | None,
    limits: list[str] | None,
    validation: list[Path] | None,
) -> Statement:
    from unmask.training.export_sources import NOT_STATED, UNKNOWN_TERMS
    from unmask.training.model_import import Statement

    return Statement(
        name=name,
        trained_on=trained_on or NOT_STATED,
        licence=licence or UNKNOWN_TERMS,
        limits=tuple(limits or ()),
        validation=tuple(validation or ()),
    )
