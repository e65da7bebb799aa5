"""The options of `unmask import`, with their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")]


class Normalisation(StrEnum):
    """Names of `training.model_import.NORMALISATIONS`."""

    IMAGENET = "imagenet"
    HALF = "half"
    UNIT = "unit"
    BYTES = "bytes"


class Scale(StrEnum):
    """What outputs are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


class Label(StrEnum):
    """What a single output may speak for."""

    FAKE = "fake"
    REAL = "real"


class Colours(StrEnum):
    """Orders of colours."""

    RGB = "RGB"
    BGR = "BGR"


# what its outputs mean
Fake = Annotated[
    int | None,
    typer.Option(min=0, help="Number of the class that is fake.", show_default="the second of two"),
]
FakeLabel = Annotated[
    str | None,
    typer.Option(
        help="Label or number of the class that is fake.", show_default="the one named so"
    ),
]
Single = Annotated[
    Label, typer.Option("--single", help="What a high value of a single output speaks for.")
]
Outputs = Annotated[Scale, typer.Option("--outputs", help="What the outputs are.")]
OutputName = Annotated[
    str | None, typer.Option(help="The output to score by.", show_default="the only one")
]

# what it sees of a face
Size = Annotated[
    int | None,
    typer.Option(min=16, max=1024, help="Input side, px.", show_default="the network's own"),
]
Preprocess = Annotated[
    Normalisation,
    typer.Option(
        help="Pixels as it takes them: `unit` 0 to 1, `bytes` 0 to 255, `half` -1 to 1, `imagenet` "
        "by ImageNet's mean and deviation."
    ),
]
Mean = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        metavar="R G B",
        help="Mean of pixels in 0 to 1, where it is another.",
        show_default="of --preprocess",
    ),
]
Std = Annotated[
    tuple[float, float, float] | None,
    typer.Option(metavar="R G B", help="Deviation likewise.", show_default="of --preprocess"),
]
OwnMean = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--mean",
        metavar="R G B",
        help="Mean of pixels in 0 to 1, where it was trained by another.",
        show_default="the network's own",
    ),
]
OwnStd = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--std", metavar="R G B", help="Deviation likewise.", show_default="the network's own"
    ),
]
ColourOrder = Annotated[Colours, typer.Option("--colours", help="Order of the colours it takes.")]
Margin = Annotated[float, typer.Option(help="Side of the crop over the face box.")]
Shift = Annotated[
    float, typer.Option(help="How far the crop lies below the face box, in sides of the crop.")
]

# what is measured, and what the card says
Validation = Annotated[
    list[Path] | None,
    typer.Option(
        help="Crops with labels (a crop store or Parquet) to calibrate and measure on; again for "
        "more.",
        show_default="none: it is not measured",
    ),
]
Gradient = Annotated[
    bool,
    typer.Option(
        "--gradient/--no-gradient", help="Write the gradient at the input, for SmoothGrad."
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the detector.", show_default="the file's")]
Licence = Annotated[str | None, typer.Option(help="Terms of use.", show_default="not stated")]
TrainedOn = Annotated[
    str | None, typer.Option(help="What it was trained on.", show_default="not stated")
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", help="What it cannot do, a sentence for its card; again for more."),
]
