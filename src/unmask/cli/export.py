"""`unmask export`: from a training run to a detector bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.cli import export_options as options
from unmask.core.settings import DEFAULT_MARGIN_RATIO, DEFAULT_SIZE_PX

if TYPE_CHECKING:
    from unmask.training.bundle_export import Precision
from unmask.cli.runs.bundle import print_bundle, print_step

EXPORT_CODES = (
    "Exit codes: 0 the bundle was written; 2 it was not: wrong use, ONNX Runtime and PyTorch "
    "differ, or int8 costs accuracy."
)


def export(  # noqa: PLR0917 - the parameters are the options
    source: options.Source,
    output: options.Output,
    validation: options.Validation = None,
    int8: options.Int8 = False,
    half: options.Half = False,
    gradient: options.Gradient = True,
    weights: options.Weights = True,
    join: options.Join = None,
    share: options.Share = None,
    average: options.Average = None,
    name: options.Name = None,
    licence: options.Licence = None,
    backbone: options.Backbone = None,
    size: options.Size = DEFAULT_SIZE_PX,
    margin: options.Margin = DEFAULT_MARGIN_RATIO,
    shift: options.Shift = 0.0,
    mirrored: options.Mirrored = False,
    trained_on: options.TrainedOn = None,
    limits: options.Limits = None,
    max_turn: options.MaxTurn = None,
    min_sharpness: options.MinSharpness = None,
    min_face: options.MinFace = None,
    false_positive: options.FalsePositive = None,
    false_negative: options.FalseNegative = None,
    prior_fake: options.PriorFake = None,
) -> None:
    """Turn a training run into a detector bundle.

    Its ONNX files are compared with PyTorch on real crops; what disagrees is not written. Costs
    of errors set the operating point `costs`; nothing is trained again.
    """
    from unmask.training.bundle_export import write_bundle
    from unmask.training.export_sources import CostChanges, Facts, Refusals, Words, read_together

    precision = _precision(int8=int8, half=half)
    subject = read_together(
        source,
        join=join or (),
        shares=share or (),
        average=average or (),
        validation=validation or (),
        name=name,
        licence=licence,
        facts=Facts(backbone, size, margin, shift, mirrored),
        costs=CostChanges(false_positive, false_negative, prior_fake),
    )
    subject = Words(trained_on, tuple(limits or ())).of(subject)
    subject = Refusals(max_turn, min_sharpness, min_face).of(subject)
    bundle = write_bundle(
        subject, output, precision=precision, gradient=gradient, weights=weights, say=print_step
    )
    print_bundle(bundle)


def _precision(*, int8: bool, half: bool) -> Precision:
    from unmask.core.errors import UnmaskError

    if int8 and half:
        raise UnmaskError(
            "convolutions are in int8 or weights in float16, not both", hint="give --int8 or --half"
        )
    return "int8" if int8 else "float16" if half else "float32"
