"""The options of `unmask export`, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.core.settings import NEW_MIN_FACE_PX, NEW_MIN_SHARPNESS

Source = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_CHECKPOINT",
        help="A folder of `unmask train`, or a .safetensors or .pt file.",
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")]
Validation = Annotated[
    list[Path] | None,
    typer.Option(
        help="Crops with labels (a crop store or Parquet) to calibrate and measure on; again for "
        "more.",
        show_default="the run's own",
    ),
]

# what is written
Int8 = Annotated[
    bool, typer.Option("--int8", help="int8 convolutions, refused if AUC falls by over 0.005.")
]
Half = Annotated[
    bool, typer.Option("--half", help="Weights stored in float16: files of about half the size.")
]
Gradient = Annotated[
    bool,
    typer.Option(
        "--gradient/--no-gradient", help="Write the gradient at the input, for SmoothGrad."
    ),
]
Weights = Annotated[
    bool,
    typer.Option(
        "--weights/--no-weights",
        help="Write model.safetensors, to fine-tune; never of joined runs.",
    ),
]

# several runs as one detector
Join = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another run; the detector scores by the mean of the logits. Again for more.",
        show_default="none",
    ),
]
Share = Annotated[
    list[float] | None,
    typer.Option(help="Weight of each run's logit, in order, RUN first.", show_default="all alike"),
]
Average = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another run of the same network; the weights are averaged. Again for more.",
        show_default="none",
    ),
]

# what a weights file does not tell
Backbone = Annotated[
    str | None, typer.Option(help="Network of a weights file, by its name in timm.")
]
Size = Annotated[int, typer.Option(help="Input side of a weights file, px.")]
Margin = Annotated[float, typer.Option(help="Crop over face box of a weights file.")]
Shift = Annotated[
    float, typer.Option(help="How far a weights file's crop lies below the face box, in sides.")
]
Mirrored = Annotated[
    bool, typer.Option("--mirrored", help="A weights file judges the mirror image, too.")
]

# what the card says
Name = Annotated[str | None, typer.Option(help="Name of the detector.", show_default="the run's")]
Licence = Annotated[
    str | None, typer.Option(help="Terms of use.", show_default="what the run's crops state")
]
TrainedOn = Annotated[
    str | None,
    typer.Option(
        help="What it was trained on, in words.", show_default="the run's files and counts"
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", help="What it cannot do, a sentence for its card; again for more."),
]

# what is not judged
MaxTurn = Annotated[
    float | None,
    typer.Option(min=0.01, help="Refuse to judge heads turned further; a profile is 1 or more."),
]
MinSharpness = Annotated[
    float | None,
    typer.Option(
        min=0, help="Refuse to judge crops less sharp.", show_default=f"{NEW_MIN_SHARPNESS:g}"
    ),
]
MinFace = Annotated[
    float | None,
    typer.Option(
        min=0, help="Refuse to judge smaller faces, px.", show_default=f"{NEW_MIN_FACE_PX:g}"
    ),
]

# what errors cost
FalsePositive = Annotated[
    float | None, typer.Option(help="Cost of calling a real face fake.", show_default="the run's")
]
FalseNegative = Annotated[
    float | None, typer.Option(help="Cost of missing a fake.", show_default="the run's")
]
PriorFake = Annotated[
    float | None, typer.Option(help="Share of fakes in use.", show_default="the run's")
]
