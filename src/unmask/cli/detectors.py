"""`unmask detectors list | show | verify | push | join`: the bundles on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import export_options as options
from unmask.cli.runs.bundle import _describe_files, print_figures

JOIN_CODES = "Exit codes: 0 the bundle was written; 2 it was not."
VERIFY_CODES = "Exit codes: 0 whole and in working order; 1 broken; 2 no such detector."
Name = Annotated[
    str, typer.Argument(help="A folder, or a name of `detectors list`.", show_default=False)
]

detectors_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Detectors on this machine: list, show, verify, push, join.",
)


@detectors_app.command("list")
def list_detectors() -> None:
    """List the detectors by name.

    The shipped one, and those in the user's folder.
    """
    from unmask.bundle.catalogue import detectors_folder, list_installed
    from unmask.bundle.manifest import load_bundle
    from unmask.cli.tables import print_table
    from unmask.core.errors import BundleError

    rows = []
    for name, folder in list_installed().items():
        try:
            manifest = load_bundle(folder).manifest
            sizes = " and ".join(f"{v.preprocessing.size_px} px" for v in manifest.networks)
            state = f"{manifest.backbone}, {sizes}"
        except BundleError as error:
            state = f"broken: {error}"
        rows.append((name, state, str(folder)))
    print_table(("name", "network", "folder"), rows)
    sys.stderr.write(f"bundles in {detectors_folder()} are found by name\n")


@detectors_app.command()
def show(name: Name) -> None:
    """Show a detector's card.

    Figures with their protocol, data, terms, limits, files.
    """
    from unmask.bundle.card import card
    from unmask.bundle.catalogue import find
    from unmask.bundle.manifest import load_bundle

    bundle = load_bundle(find(name))
    text = card(bundle.manifest) + _describe_files(bundle)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        typer.echo(text)


@detectors_app.command(epilog=VERIFY_CODES)
def verify(name: Name) -> None:
    """Check hashes, names and shapes of a detector, and run it once."""
    from unmask.bundle.catalogue import find
    from unmask.bundle.detector import Detector, check_works
    from unmask.cli.messages import complain
    from unmask.core.errors import BundleError

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


@detectors_app.command()
def push(
    name: Name,
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="On the Hub.", show_default=False)
    ],
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="A new repository is public: read the card's terms before you say so."
        ),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch.", show_default="the default branch")
    ] = None,
) -> None:
    """Upload a detector with its card to the Hugging Face Hub.

    As one commit; log in with `hf auth login` first.
    """
    from unmask.bundle.catalogue import find
    from unmask.bundle.hub import is_hub_id
    from unmask.bundle.hub import push as push_bundle
    from unmask.bundle.manifest import load_bundle

    if not is_hub_id(repository):
        raise ValueError(f"a detector on the Hub is named owner/name, got {repository!r}")
    bundle = load_bundle(find(name))
    typer.echo(push_bundle(bundle, repository, private=not public, revision=revision))


@detectors_app.command(epilog=JOIN_CODES)
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
    from unmask.bundle.catalogue import find
    from unmask.bundle.manifest import load_bundle
    from unmask.core.errors import InputError
    from unmask.training.detector_ensemble import Member
    from unmask.training.detector_ensemble import join as joined_of

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
    joined = joined_of(
        members,
        output,
        name=name or output.name,
        weights=weight,
        level=level,  # type: ignore[arg-type]  # checked there
        all_rows=all_rows,
        seed=seed,
    )
    for view in joined.bundle.views:
        typer.echo(f"view {view.name}: weight {view.weight:.4f}")
    typer.echo(f"offset {joined.bundle.manifest.logit_offset:.4f}, on {joined.rows} shared crops")
    print_figures(joined.figures)
    typer.echo(f"difference from the members' own logits: {joined.parity:.1e}")
    typer.echo(f"bundle written to {joined.bundle.folder}")
