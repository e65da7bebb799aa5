"""`unmask data layouts | index | verify`: from a folder on disk to a manifest to rely on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.data.progress import counting
from unmask.cli.data.tables import print_some, print_table
from unmask.files import check_folder_of

if TYPE_CHECKING:
    from unmask.datasets.layouts.layout import Expected, Found, Layout
    from unmask.datasets.manifest import VideoRecord
    from unmask.datasets.verify import Verification

JSON_VERSION = 1
"""Version of what `layouts --json` prints."""
VERIFY_CODES = (
    "Exit codes: 0 all as it should be; 1 folder, manifest and the complete data set do not "
    "agree; 2 wrong use; 3 they agree, but a file could not be read."
)
Output = Annotated[Path, typer.Option("-o", "--output", help="Manifest to write (Parquet).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(layouts)
    app.command()(index)
    app.command(epilog=VERIFY_CODES)(verify)


def layouts(
    name: Annotated[
        str | None, typer.Argument(help="Show one in full.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the data sets known, or describe one.

    Of one: its folders, its counts, and what is easily missed.
    """
    from unmask.datasets.layouts import LAYOUTS, layout

    chosen = [layout(name)] if name else list(LAYOUTS.values())
    if json:
        typer.echo(_as_json(chosen))
    elif name:
        typer.echo(_in_full(chosen[0]))
    else:
        rows = [(each.name, each.kind, each.title) for each in chosen]
        print_table(("name", "a row is a", "data set"), rows)
        typer.echo("\n`unmask data layouts NAME` shows one in full.")


def index(
    layout: Annotated[str, typer.Argument(help="Name of a layout, such as ffpp.")],
    folder: Annotated[Path, typer.Argument(help="The data set's folder.")],
    output: Output,
) -> None:
    """Write a manifest of a data set's folder.

    Videos are found by folders and lists; none is opened.
    """
    from importlib.metadata import version

    from unmask.cli.inputs import refuse_overwriting
    from unmask.datasets.layouts import layout as layout_of
    from unmask.datasets.layouts.crops import file_of
    from unmask.datasets.layouts.layout import manifest_of
    from unmask.datasets.manifest import write_manifest

    chosen = layout_of(layout)
    check_folder_of(output)
    refuse_overwriting([output], [folder])
    found = chosen.index(folder)
    root = folder.parent if folder.is_file() else folder
    if output.exists():
        refuse_overwriting([output], {root / file_of(record.id) for record in found.records})
    manifest = manifest_of(chosen, root, found, version=version("unmask"))
    write_manifest(manifest, output)
    _print_found(found)
    typer.echo(f"\n{len(manifest)} rows written to {output}")


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
        check_folder_of(output)
    rows = read_manifest(manifest)
    with counting("verifying") as progress:
        found = verify_manifest(
            rows,
            LAYOUTS.get(rows.info.dataset),
            root=root,
            opened=open_files,
            hashed=hash_files,
            counted=counts,
            workers=workers,
            progress=progress,
        )
    _print_verification(found)
    if output is not None:
        write_manifest(found.manifest, output)
        hashes = "sizes and hashes" if found.hashed else "sizes"
        typer.echo(f"manifest with {hashes} written to {output}")
    raise typer.Exit(exit_code(found))


def exit_code(found: Verification) -> int:
    """Return 1 where something does not match, else 3 where a file could not be read, else 0."""
    if not found.matches:
        return 1
    return 3 if found.unreadable else 0


def _as_json(layouts: Iterable[Layout]) -> str:
    import json
    from dataclasses import fields

    described = [
        {f.name: getattr(each, f.name) for f in fields(each) if f.name != "index"}
        for each in layouts
    ]
    document: dict[str, Any] = {"version": JSON_VERSION, "layouts": described}
    return json.dumps(document, indent=2, ensure_ascii=False, default=_asdict)


def _asdict(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)


def _in_full(layout: Layout) -> str:
    from textwrap import fill, indent

    facts = [fill(f"- {fact}", width=96, subsequent_indent="  ") for fact in layout.facts]
    counts = [f"{each.count:>7}  {_kind_of(each)}" for each in layout.expected]
    parts = {
        "folders and files": layout.tree,
        f"complete, rows ({layout.kind}s)": "\n".join(counts) or "any number",
        "easily missed": "\n".join(facts),
        "where": fill(layout.where, width=96),
        "licence": layout.licence,
    }
    sections = [f"{title}:\n{indent(text, '  ')}" for title, text in parts.items()]
    return "\n".join([f"{layout.name}: {layout.title}", *sections])


def _kind_of(expected: Expected) -> str:
    """Return in words what is counted."""
    words = (expected.label, expected.method, expected.part, expected.split)
    return " ".join(word for word in words if word) or "all"


def _print_found(found: Found) -> None:
    from collections import Counter

    from unmask.report.wording import visible

    counts = Counter(map(_group_of, found.records))
    rows = [(*group, str(count)) for group, count in sorted(counts.items())]
    print_table(("label", "method", "part", "compression", "split", "rows"), rows)
    print_some("not placed", [f"{each.path}: {each.reason}" for each in found.unknown])
    for warning in found.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)


def _group_of(record: VideoRecord) -> tuple[str, ...]:
    values = (record.label, record.method, record.part, record.compression, record.split)
    return tuple(value or "-" for value in values)


def _print_verification(found: Verification) -> None:
    from collections import defaultdict

    if found.counts:
        rows = [
            (
                _kind_of(c.expected),
                c.compression or "-",
                str(c.found),
                str(c.expected.count),
                c.state,
            )
            for c in found.counts
        ]
        print_table(("kind", "compression", "found", "complete", "state"), rows)
    by_trouble: dict[str, list[str]] = defaultdict(list)
    for problem in found.problems:
        by_trouble[problem.trouble].append(f"{problem.id}: {problem.reason}")
    for trouble, lines in by_trouble.items():
        print_some(trouble, lines)
    print_some("fakes without a mask, though their method has masks", found.maskless)
    print_some("files that no row names", found.extra)
    print_some("the same bytes", [" = ".join(ids) for ids in found.duplicates])
    if any(count.state in {"short", "over"} for count in found.counts):
        typer.echo("hint: is only a part of the data set wanted? then add --no-counts", err=True)
    verdict = "all as it should be" if exit_code(found) == 0 else "not as it should be, see above"
    typer.echo(f"{len(found.manifest)} rows, {_extent(found)}: {verdict}")


def _extent(found: Verification) -> str:
    """Return in words how closely files were looked at."""
    done = [word for word, was in (("opened", found.opened), ("hashed", found.hashed)) if was]
    return f"files {' and '.join(done)}" if done else "sizes only"
