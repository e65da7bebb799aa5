"""`unmask data split`: who trains and who tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.tables import print_table
from unmask.core.settings import FOLDS
from unmask.core.text import visible

if TYPE_CHECKING:
    from unmask.datasets.manifest import Manifest


def split(  # noqa: PLR0917 - the parameters are the options
    manifest: Annotated[Path, typer.Argument(help="A manifest.", show_default=False)],
    protocol: Annotated[
        str,
        typer.Option(
            help="official (the data set's own lists), video (footage stays together), identity "
            "(persons too), part, k-fold, or paper-frame-split (random frames: leaks).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Manifest to write.", show_default="MANIFEST-PROTOCOL.parquet"
        ),
    ] = None,
    ratios: Annotated[str, typer.Option(help="Train/validation/test.")] = "72/14/14",
    seed: Annotated[int, typer.Option(help="Seed of the shuffle.")] = 0,
    folds: Annotated[int, typer.Option(help="Folds of k-fold.")] = FOLDS,
    group_by: Annotated[
        str, typer.Option(help="What k-fold keeps together: video or identity.")
    ] = "video",
    validation_parts: Annotated[
        str, typer.Option(help="Parts to validate on, with commas; * and [0-4] as in a shell.")
    ] = "",
    test_parts: Annotated[str, typer.Option(help="Parts to test on; the rest trains.")] = "",
) -> None:
    """Split a manifest into train, validation and test.

    Says what the sides still share.
    """
    from unmask.cli.inputs import refuse_overwriting
    from unmask.datasets.manifest import read_manifest, write_manifest
    from unmask.datasets.splits import split as split_manifest

    shares = parse_ratios(ratios)
    target = output or manifest.with_name(f"{manifest.stem}-{protocol}.parquet")
    refuse_overwriting([target], [manifest])
    divided = split_manifest(
        read_manifest(manifest),
        protocol,
        ratios=shares,
        seed=seed,
        folds=folds,
        group_by=group_by,  # type: ignore[arg-type]  # checked by the settings
        validation_parts=_names(validation_parts),
        test_parts=_names(test_parts),
    )
    write_manifest(divided, target)
    _print_counts(divided)
    typer.echo(f"{len(divided)} rows written to {target}")
    for warning in divided.info.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ratios such as `72/14/14`.

    Raises:
        ValueError: not numbers with slashes between them.
    """
    try:
        return tuple(float(word) for word in text.split("/"))
    except ValueError as error:
        raise ValueError(f"ratios look like 72/14/14, got {text!r}") from error


def _names(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _print_counts(manifest: Manifest) -> None:
    """Print rows per split or fold, label and method, and the groups that were kept whole."""
    from collections import Counter

    from unmask.datasets.split_checks import find_side

    cells = Counter((r.label, r.method or "-", find_side(r) or "none") for r in manifest.records)
    sides = sorted({side for *_, side in cells}, key=_side_place)
    kinds = sorted({kind[:2] for kind in cells}, key=lambda kind: (kind[0] != "real", kind))
    rows = [(*kind, *(str(cells[*kind, side]) for side in sides)) for kind in kinds]
    totals = [str(sum(cells[*kind, side] for kind in kinds)) for side in sides]
    print_table(("label", "method", *sides), [*rows, ("all", "", *totals)])
    groups = manifest.info.settings["groups"]
    if groups is not None:
        largest = manifest.info.settings["largest_group"]
        share = largest / len(manifest)
        typer.echo(f"{groups} groups of linked rows; the largest has {largest} ({share:.1%})")


def _side_place(name: str) -> tuple[int, int, str]:
    """Order train, validation, test, folds by number, and no split last."""
    known = ("train", "validation", "test")
    number = int(name.removeprefix("fold ")) if name.startswith("fold ") else 0
    return (known.index(name) if name in known else 3 + (name == "none"), number, name)
