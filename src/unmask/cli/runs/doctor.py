"""`unmask doctor`: what works, then what could be added, for what and how."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import typer

from unmask.bundle.manifest import load_bundle, shipped_folder
from unmask.cli.optional_packages import EXTRAS, install_command
from unmask.core.errors import UnmaskError
from unmask.faces.detector import DETECTORS, create
from unmask.system.provenance import versions
from unmask.system.walls import missing_walls


def run_doctor() -> int:
    """Print the state of the installation; 0 if a scan can run, 3 if not."""
    ready = _tell_scanning()
    absent = {
        extra: [name for name in packages if find_spec(name) is None]
        for extra, (_, packages) in EXTRAS.items()
    }
    for extra, (purpose, _) in EXTRAS.items():
        if not absent[extra]:
            typer.echo(f"ok       {extra}: {purpose}")
    _tell_walls()
    if any(absent.values()):
        typer.echo("\nThis could be added:")
    for extra, missing in absent.items():
        if missing:
            purpose = EXTRAS[extra][0]
            typer.echo(f"missing  {extra}: {purpose} ({', '.join(missing)})")
            typer.echo(f"         {install_command(extra)}")
    return 0 if ready else 3


def _tell_scanning() -> bool:
    """Print what a scan needs; return whether it is there."""
    for name, number in versions().items():
        typer.echo(f"ok       {name} {number}")
    try:
        bundle = load_bundle(shipped_folder())
    except UnmaskError as error:
        typer.echo(f"broken   detector: {error}; {error.hint}")
        return False
    typer.echo(f"ok       detector {bundle.manifest.name} (sha256 {bundle.sha256[:16]})")
    for name in DETECTORS:
        create(name)
        typer.echo(f"ok       face detector {name}")
    return True


def _tell_walls() -> None:
    """Print what keeps a hostile file from doing harm, and what does not."""
    if sys.platform == "win32":
        typer.echo("note     each file is read in a process of its own, without limits of memory")
    else:
        typer.echo(
            "ok       each file is read in a process of its own, with limits of memory, CPU time "
            "and open files"
        )
    lacking = missing_walls()
    if not lacking:
        typer.echo(
            "ok       what decodes a file can open no other, write nothing, reach no network and "
            "start no process (Landlock, seccomp)"
        )
        return
    for wall in lacking:
        typer.echo(f"note     no wall by {wall}")
    typer.echo(
        "note     without both of them a decoder has the rights of its user: for files that you do "
        "not trust use an account of its own, a container or bubblewrap (docs/many-videos.md)"
    )
