"""`unmask export` and `unmask detectors`: from a run to a bundle, and what bundles are there."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.settings import NEW_MIN_FACE_PX, NEW_MIN_SHARPNESS

if TYPE_CHECKING:
    from unmask.bundle import Bundle, Parity
    from unmask.training.bundling import Precision

EXPORT_CODES = (
    "Exit codes: 0 the bundle was written; 2 it was not: wrong use, ONNX Runtime and PyTorch "
    "differ, or int8 costs accuracy."
)
VERIFY_CODES = "Exit codes: 0 whole and in working order; 1 broken; 2 no such detector."
Name = Annotated[
    str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
]

detectors_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Detectors on this machine: list, show, verify.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=EXPORT_CODES)(export)
    detectors_app.command("list")(list_detectors)
    detectors_app.command()(show)
    detectors_app.command(epilog=VERIFY_CODES)(verify)
    app.add_typer(detectors_app, name="detectors")


def export(  # noqa: PLR0917 - the parameters are the options
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_CHECKPOINT",
            help="A folder of `unmask train`, or a .safetensors or .pt file.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")],
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            help="Crops with labels (a crop store or Parquet) to calibrate and measure on; again "
            "for more.",
            show_default="the run's own",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="int8 convolutions, refused if AUC falls by over 0.005.")
    ] = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="Weights stored in float16: files of about half the size."),
    ] = False,
    gradient: Annotated[
        bool,
        typer.Option("--gradient/--no-gradient", help="Write gradient.onnx, for SmoothGrad."),
    ] = True,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights/--no-weights",
            help="Write model.safetensors, to fine-tune; never of joined runs.",
        ),
    ] = True,
    join: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run; the detector scores by the mean of the logits. Again for more.",
            show_default="none",
        ),
    ] = None,
    share: Annotated[
        list[float] | None,
        typer.Option(
            help="Weight of each run's logit, in order, RUN first.", show_default="all alike"
        ),
    ] = None,
    average: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run of the same network; the weights are averaged. Again for more.",
            show_default="none",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the detector.", show_default="the run's")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Terms of use.", show_default="what the run's crops state")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network of a weights file, by its name in timm.")
    ] = None,
    size: Annotated[int, typer.Option(help="Input side of a weights file, px.")] = 224,
    margin: Annotated[float, typer.Option(help="Crop over face box of a weights file.")] = 1.3,
    shift: Annotated[
        float, typer.Option(help="How far a weights file's crop lies below the face box, in sides.")
    ] = 0.0,
    mirrored: Annotated[
        bool, typer.Option("--mirrored", help="A weights file judges the mirror image, too.")
    ] = False,
    trained_on: Annotated[
        str | None,
        typer.Option(
            help="What it was trained on, in words.", show_default="the run's files and counts"
        ),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--limit", help="What it cannot do, a sentence for its card; again for more."),
    ] = None,
    max_turn: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Refuse to judge heads turned further; a profile is 1 or more."
        ),
    ] = None,
    min_sharpness: Annotated[
        float | None,
        typer.Option(
            min=0, help="Refuse to judge crops less sharp.", show_default=f"{NEW_MIN_SHARPNESS:g}"
        ),
    ] = None,
    min_face: Annotated[
        float | None,
        typer.Option(
            min=0, help="Refuse to judge smaller faces, px.", show_default=f"{NEW_MIN_FACE_PX:g}"
        ),
    ] = None,
    false_positive: Annotated[
        float | None,
        typer.Option(help="Cost of calling a real face fake.", show_default="the run's"),
    ] = None,
    false_negative: Annotated[
        float | None, typer.Option(help="Cost of missing a fake.", show_default="the run's")
    ] = None,
    prior_fake: Annotated[
        float | None, typer.Option(help="Share of fakes in use.", show_default="the run's")
    ] = None,
) -> None:
    """Turn a training run into a detector bundle.

    Its ONNX files are compared with PyTorch on real crops; what disagrees is not written. Costs
    of errors set the operating point `costs`; nothing is trained again.
    """
    from unmask.errors import UnmaskError
    from unmask.training.bundling import write_bundle
    from unmask.training.subjects import (
        CostChanges,
        Facts,
        Words,
        averaged,
        joined,
        read_subject,
    )

    precision = _precision(int8=int8, half=half)
    if join and average:
        raise UnmaskError("runs are joined or averaged, not both", hint="give --join or --average")
    if share and not join:
        raise UnmaskError(
            "shares are those of joined runs", hint="give --join, or leave --share out"
        )
    facts = Facts(backbone, size, margin, shift_y_ratio=shift, mirrored=mirrored)
    subjects = [
        read_subject(
            each,
            validation=validation or (),
            name=name,
            licence=licence,
            facts=facts,
            costs=CostChanges(false_positive, false_negative, prior_fake),
        )
        for each in (source, *(join or ()), *(average or ()))
    ]
    subject = subjects[0]
    if join:
        subject = joined(subjects, share or [1.0] * len(subjects))
    elif average:
        subject = averaged(subjects)
    subject = Words(trained_on=trained_on, limits=tuple(limits or ())).of(subject)
    limits_given = {"max_turn": max_turn, "min_sharpness": min_sharpness, "min_face_px": min_face}
    changed = {name: value for name, value in limits_given.items() if value is not None}
    subject = replace(subject, judgeable=subject.judgeable.model_copy(update=changed))
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
            state = f"{manifest.backbone}, {manifest.preprocessing.size_px} px"
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


def _say(step: str) -> None:
    sys.stderr.write(f"{step} ...\n")


def _print_written(bundle: Bundle) -> None:
    if bundle.manifest.parity is not None:
        typer.echo(_parity(bundle.manifest.parity))
    for metric in bundle.manifest.metrics:
        low, high = metric.interval
        typer.echo(
            f"{metric.name}: {metric.value:.4f} ({low:.4f} to {high:.4f}), {metric.protocol}"
        )
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
