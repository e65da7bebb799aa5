"""`unmask data audit`: what leaks between splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.progress import Count
from unmask.cli.tables import print_some, print_table
from unmask.core.settings import FRAMES_PER_ROW
from unmask.core.text import visible

if TYPE_CHECKING:
    from unmask.datasets.audit import AuditReport, FrameAccount
    from unmask.datasets.leaks import Finding, NotChecked


JSON_VERSION = 1
"""Version of what `audit --json` prints."""
_MANY_SIDES = 3
"""With more sides than this, comparisons that found nothing are counted, not listed."""
AUDIT_CODES = (
    "Exit codes: 0 nothing leaks; 1 something leaks; 2 wrong use, or a manifest cannot be used; "
    "3 nothing leaks, but frames that were asked for could not be read."
)


def audit(  # noqa: PLR0917 - the parameters are the options
    manifests: Annotated[
        list[Path],
        typer.Argument(
            help="Manifests, the one that trains first; or a single one with splits or folds.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    frames: Annotated[bool, typer.Option(help="Compare frames.")] = True,
    frames_per_row: Annotated[
        int, typer.Option(min=1, help="Frames looked at of each row.")
    ] = FRAMES_PER_ROW,
    threshold_bits: Annotated[
        int, typer.Option(help="Hashes of 64 bits that differ in at most so many count as alike.")
    ] = 4,
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set.", show_default="the one that was indexed"),
    ] = None,
) -> None:
    """Look for leaks between manifests or splits.

    Between several manifests, or between the splits or folds of a single one.
    What the manifests tell is compared (rows, files, footage, persons), and a few frames of each
    row. What could not be checked is listed, and is not clean.
    """
    from unmask.datasets.audit import audit as audit_manifests
    from unmask.datasets.manifest import read_manifest

    names = name_manifests(manifests)
    read = {name: read_manifest(path) for name, path in zip(names, manifests, strict=True)}
    with Count("rows read") as progress:
        report = audit_manifests(
            read,
            frames_per_row=frames_per_row if frames else 0,
            threshold_bits=threshold_bits,
            root=root,
            progress=progress.update,
        )
    if json:
        typer.echo(_as_json(report))
    else:
        _print_report(report)
    raise typer.Exit(exit_code(report))


def exit_code(report: AuditReport) -> int:
    """Return 1 where something leaks, else 3 where a file could not be read, else 0."""
    if report.leaks:
        return 1
    return 3 if report.unreadable else 0


def name_manifests(paths: Sequence[Path]) -> list[str]:
    """Return a name for each manifest: its file's, or its path where two files are named alike.

    Raises:
        ValueError: one is given twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError(f"a manifest was given twice: {', '.join(map(str, paths))}")
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _as_json(report: AuditReport) -> str:
    import json
    from dataclasses import asdict

    document = {"version": JSON_VERSION, "leaks": report.leaks, **asdict(report)}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _print_report(report: AuditReport) -> None:
    from unmask.datasets.audit import KINDS

    for name, rows in report.sides:
        typer.echo(f"{visible(name)}: {rows} rows")
    _print_findings(report)
    for finding in report.findings:
        if finding.examples:
            where = f"{finding.first} and {finding.second}"
            typer.echo(visible(f"{finding.kind}, {where}: {KINDS[finding.kind]}; for example"))
            for each in finding.examples:
                typer.echo(visible(f"  {each.first} | {each.second} | {each.detail}"))
    for note in report.notes:
        typer.echo(f"by design: {visible(note)}")
    print_some("not checked", _gap_lines(report.not_checked))
    unreadable = dict.fromkeys(f"{row.id}: {row.reason}" for row in report.unreadable)
    print_some("unreadable", list(unreadable))
    if report.frames is not None:
        typer.echo(_frames_line(report.frames))
    typer.echo(_verdict(report))


def _print_findings(report: AuditReport) -> None:
    """Print the table; of many sides only what leaks, and how many comparisons found nothing."""
    gaps = {(gap.kind, gap.side) for gap in report.not_checked}
    many = len(report.sides) > _MANY_SIDES
    shown = [finding for finding in report.findings if finding.count or not many]
    if shown:
        header = ("leak", "between", "and", "shared", "rows of the latter", "result")
        print_table(header, [_cells(finding, gaps) for finding in shown])
    clean = [f for f in report.findings if f.count == 0] if many else []
    if clean:
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in clean))
        typer.echo(f"{len(clean)} comparisons of two sides found nothing ({kinds})")


def _cells(finding: Finding, gaps: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return a row of the table; what was not or only partly checked says so."""
    ends = (finding.kind, finding.first, finding.second)
    if finding.count is None or finding.share is None:
        return (*ends, "-", "-", "not checked")
    touched = f"{finding.rows_touched} ({finding.share:.1%})" if finding.count else "0"
    partly = any((finding.kind, side) in gaps for side in (finding.first, finding.second))
    word = "LEAKS" if finding.count else "none found in what could be checked" if partly else "none"
    return (*ends, str(finding.count), touched, word)


def _gap_lines(gaps: Sequence[NotChecked]) -> list[str]:
    """Return a line for each kind and reason, all sides together."""
    from collections import defaultdict

    alike: dict[tuple[str, str, bool], list[NotChecked]] = defaultdict(list)
    for gap in gaps:
        alike[gap.kind, gap.reason, gap.wholly].append(gap)
    lines = []
    for (kind, reason, wholly), gaps_alike in alike.items():
        rows, of = sum(gap.rows for gap in gaps_alike), sum(gap.rows_of_side for gap in gaps_alike)
        sides = ", ".join(gap.side for gap in gaps_alike)
        extent = "" if wholly else " in part"
        lines.append(f"{kind}{extent}: {rows} of {of} rows ({sides}): {reason}")
    return lines


def _frames_line(account: FrameAccount) -> str:
    return (
        f"{account.frames_compared} frames compared, at most {account.frames_per_row} a row, alike "
        f"from {account.threshold_bits} of 64 differing bits down; {account.frames_flat} left out "
        "for want of contrast"
    )


def _verdict(report: AuditReport) -> str:
    if report.leaks:
        return "this leaks"
    incomplete = bool(report.not_checked or report.unreadable)
    return "no leak found" + (", but not everything was checked" if incomplete else "")
