"""`unmask export` and `unmask detectors`: from a run to a bundle, and what bundles are there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import export_options as options
from unmask.settings import DEFAULT_MARGIN_RATIO

if TYPE_CHECKING:
    from unmask.bundle import Bundle, Metric, Parity
    from unmask.training.bundling import Precision

EXPORT_CODES = (
    "Exit codes: 0 the bundle was written; 2 it was not: wrong use, ONNX Runtime and PyTorch "
    "differ, or int8 costs accuracy."
)
JOIN_CODES = "Exit codes: 0 the bundle was written; 2 it was not."
VERIFY_CODES = "Exit codes: 0 whole and in working order; 1 broken; 2 no such detector."
Name = Annotated[
    str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
]

detectors_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Detectors on this machine: list, show, verify, join.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=EXPORT_CODES)(export)
    detectors_app.command("list")(list_detectors)
    detectors_app.command(epilog=JOIN_CODES)(join)
    detectors_app.command()(show)
    detectors_app.command(epilog=VERIFY_CODES)(verify)
    app.add_typer(detectors_app, name="detectors")


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
    size: options.Size = 224,
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
    from unmask.training.bundling import write_bundle
    from unmask.training.subjects import CostChanges, Facts, Refusals, Words, read_together

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
        subject, output, precision=precision, gradient=gradient, weights=weights, say=_say
    )
    _print_written(bundle)


def _precision(*, int8: bool, half: bool) -> Precision:
    from unmask.errors import UnmaskError

    if int8 and half:
        raise UnmaskError(
            "convolutions are in int8 or weights in float16, not both", hint="give --int8 or --half"
        )
    return "int8" if int8 else "float16" if half else "float32"


def list_detectors() -> None:
    """List the detectors by name.

    The shipped one, and those in the user's folder.
    """
    from unmask.bundle import load_bundle
    from unmask.catalogue import detectors_folder, installed
    from unmask.cli.data.tables import print_table
    from unmask.errors import BundleError

    rows = []
    for name, folder in installed().items():
        try:
            manifest = load_bundle(folder).manifest
            sizes = " and ".join(f"{v.preprocessing.size_px} px" for v in manifest.networks)
            state = f"{manifest.backbone}, {sizes}"
        except BundleError as error:
            state = f"broken: {error}"
        rows.append((name, state, str(folder)))
    print_table(("name", "network", "folder"), rows)
    sys.stderr.write(f"bundles in {detectors_folder()} are found by name\n")


def show(name: Name) -> None:
    """Show a detector's card.

    Figures with their protocol, data, terms, limits, files.
    """
    from unmask.bundle import load_bundle
    from unmask.card import card
    from unmask.catalogue import find

    bundle = load_bundle(find(name))
    text = card(bundle.manifest) + _files(bundle)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text)


def verify(name: Name) -> None:
    """Check hashes, names and shapes of a detector, and run it once."""
    from unmask.catalogue import find
    from unmask.cli.app import complain
    from unmask.detector import Detector, check_works
    from unmask.errors import BundleError

    folder = find(name)
    try:
        detector = Detector.from_pretrained(folder)
        check_works(detector)
    except BundleError as error:
        complain(error)
        raise typer.Exit(1) from error
    for file, sha256 in detector.bundle.manifest.files.items():
        typer.echo(f"{sha256}  {file}")
    typer.echo(f"{folder}: whole and in working order")


def join(  # noqa: PLR0917 - the parameters are the options
    detectors: Annotated[
        list[str],
        typer.Argument(
            metavar="VIEW=DETECTOR...",
            help="Name of a view and the detector that it is of: wide=runs/wide tight=default.",
            show_default=False,
        ),
    ],
    output: options.Output,
    predictions: Annotated[
        list[Path],
        typer.Option(help="What each has predicted on the same faces, in order; once for each."),
    ],
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Weight of each logit, in order.", show_default="fitted"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the detector.", show_default="the folder's")
    ] = None,
    level: Annotated[str, typer.Option(help="What is fitted on: video, track or crop.")] = "video",
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="All rows are validation data, split or not.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of folds and draws.")] = 0,
) -> None:
    """Make detectors with different framings the views of one.

    Its logit is their weighted sum, by logistic regression on the predictions, on which it is then
    calibrated. Scans cut a crop for each view.
    """
    from unmask.bundle import load_bundle
    from unmask.catalogue import find
    from unmask.errors import InputError
    from unmask.training.joining import Member
    from unmask.training.joining import join as joined_of

    named = [each.partition("=") for each in detectors]
    if any(not all(parts) for parts in named) or len(predictions) != len(named):
        raise InputError(
            f"got {len(named)} views ({', '.join(detectors)}) and {len(predictions)} predictions",
            hint="name each view, VIEW=DETECTOR, and give --predictions for each in that order",
        )
    members = [
        Member(view, load_bundle(find(place)), path)
        for (view, _, place), path in zip(named, predictions, strict=True)
    ]
    made = joined_of(
        members,
        output,
        name=name or output.name,
        weights=weight,
        level=level,  # type: ignore[arg-type]  # checked there
        all_rows=all_rows,
        seed=seed,
    )
    for view in made.bundle.views:
        typer.echo(f"view {view.name}: weight {view.weight:.4f}")
    typer.echo(f"offset {made.bundle.manifest.logit_offset:.4f}, on {made.rows} shared crops")
    if not made.figures:
        typer.echo("no AUC: too few source videos for an interval")
    for metric in made.figures:
        _print_figure(metric)
    typer.echo(f"difference from the members' own logits: {made.parity:.1e}")
    typer.echo(f"bundle written to {made.bundle.folder}")


def _say(step: str) -> None:
    sys.stderr.write(f"{step} ...\n")


def _print_written(bundle: Bundle) -> None:
    if bundle.manifest.parity is not None:
        typer.echo(_parity(bundle.manifest.parity))
    if not bundle.manifest.metrics:
        typer.echo("no AUC: too few source videos for an interval; the card says so")
    for metric in bundle.manifest.metrics:
        _print_figure(metric)
    if (quantised := bundle.manifest.quantised) is not None:
        typer.echo(
            f"int8: AUC {quantised.auc_int8:.4f}, float32 {quantised.auc_float32:.4f}, "
            f"on {quantised.crops}"
        )
    for point in bundle.manifest.operating_points:
        typer.echo(
            f"operating point {point.name}: logit {point.logit:.3f}, there "
            f"{point.false_positive_rate:.1%} of real and {point.true_positive_rate:.1%} of fake "
            "crops are called fake"
        )
    typer.echo(f"bundle written to {bundle.folder}")


def _print_figure(metric: Metric) -> None:
    low, high = metric.interval
    typer.echo(f"{metric.name}: {metric.value:.4f} ({low:.4f} to {high:.4f}), {metric.protocol}")


def _parity(parity: Parity) -> str:
    found = parity.model_dump(exclude={"crops"}, exclude_none=True)
    said = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    note = "" if parity.input_gradient is None else " (on three quarters of these crops)"
    return f"ONNX Runtime against PyTorch on {parity.crops}, in float32: {said}{note}"


def _files(bundle: Bundle) -> str:
    """List the files with size and hash, as a section of the card."""
    rows = [
        f"| {file} | {(bundle.folder / file).stat().st_size:,} | {sha256} |"
        for file, sha256 in bundle.manifest.files.items()
    ]
    head = ["", "## Files", "", "| file | bytes | SHA-256 |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])
