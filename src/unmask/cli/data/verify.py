"""`unmask data verify`: a manifest against what lies on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.progress import Count
from unmask.cli.tables import print_some, print_table
from unmask.system.remote_files import check_place

if TYPE_CHECKING:
    from unmask.datasets.verify import Verification
from unmask.cli.data.layouts import _describe_kind

VERIFY_CODES = (
    "Exit codes: 0 all as it should be; 1 folder, manifest and the complete data set do not "
    "agree; 2 wrong use; 3 they agree, but a file could not be read."
)


def verify(  # noqa: PLR0917 - the parameters are the options
    manifest: Annotated[Path, typer.Argument(help="A manifest.", show_default=False)],
    root: Annotated[
        Path | None, typer.Option(help="The data set's folder.", show_default="where it was")
    ] = None,
    open_files: Annotated[bool, typer.Option("--open/--no-open", help="Open each file.")] = True,
    hash_files: Annotated[
        bool, typer.Option("--hash", help="Hash each file, and find equal ones.")
    ] = False,
    counts: Annotated[
        bool, typer.Option(help="Compare with the counts of the complete data set.")
    ] = True,
    workers: Annotated[int, typer.Option(min=1, help="Files at a time.")] = 2,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the manifest with sizes and hashes."),
    ] = None,
) -> None:
    """Compare a manifest with what is on disk.

    And with the counts of the complete data set. Nothing is changed.
    """
    from unmask.datasets.layouts import LAYOUTS
    from unmask.datasets.manifest import read_manifest, write_manifest
    from unmask.datasets.verify import verify as verify_manifest

    if output is not None:
        check_place(output)
    rows = read_manifest(manifest)
    with Count("rows verified") as progress:
        verification = verify_manifest(
            rows,
            LAYOUTS.get(rows.info.dataset),
            root=root,
            opened=open_files,
            hashed=hash_files,
            counted=counts,
            workers=workers,
            progress=progress.update,
        )
    _print_verification(verification)
    if output is not None:
        write_manifest(verification.manifest, output)
        hashes = "sizes and hashes" if verification.hashed else "sizes"
        typer.echo(f"manifest with {hashes} written to {output}")
    raise typer.Exit(exit_code(verification))


def exit_code(verification: Verification) -> int:
    """Return 1 where something does not match, else 3 where a file could not be read, else 0."""
    if not verification.matches:
        return 1
    return 3 if verification.unreadable else 0


def _print_verification(verification: Verification) -> None:
    from collections import defaultdict

    if verification.counts:
        rows = [
            (
                _describe_kind(c.expected),
                c.compression or "-",
                str(c.found),
                str(c.expected.count),
                c.state,
            )
            for c in verification.counts
        ]
        print_table(("kind", "compression", "found", "complete", "state"), rows)
    by_trouble: dict[str, list[str]] = defaultdict(list)
    for problem in verification.problems:
        by_trouble[problem.trouble].append(f"{problem.id}: {problem.reason}")
    for trouble, lines in by_trouble.items():
        print_some(trouble, lines)
    print_some("fakes without a mask, though their method has masks", verification.maskless)
    print_some("files that no row names", verification.extra)
    print_some("the same bytes", [" = ".join(ids) for ids in verification.duplicates])
    if any(count.state in {"short", "over"} for count in verification.counts):
        typer.echo("hint: is only a part of the data set wanted? then add --no-counts", err=True)
    verdict = (
        "all as it should be" if exit_code(verification) == 0 else "not as it should be, see above"
    )
    typer.echo(f"{len(verification.manifest)} rows, {_extent(verification)}: {verdict}")


def _extent(verification: Verification) -> str:
    """Return in words how closely files were looked at."""
    done = [
        word
        for word, was in (("opened", verification.opened), ("hashed", verification.hashed))
        if was
    ]
    return f"files {' and '.join(done)}" if done else "sizes only"
