"""`unmask doctor`: versions, models found, what is missing and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from unmask.bundle import load_bundle, shipped_folder
from unmask.cli.extras import OPTIONAL
from unmask.errors import UnmaskError
from unmask.faces.detector import DETECTORS, create
from unmask.provenance import versions


def run_doctor() -> int:
    """Print the state of the installation; 0 if a scan can run, 3 if not."""
    for name, number in versions().items():
        typer.echo(f"ok       {name} {number}")
    ready = True
    try:
        bundle = load_bundle(shipped_folder())
        typer.echo(f"ok       detector {bundle.manifest.name} (sha256 {bundle.sha256[:16]})")
    except UnmaskError as error:
        ready = False
        typer.echo(f"broken   detector: {error}; {error.hint}")
    for name in DETECTORS:
        create(name)
        typer.echo(f"ok       face detector {name}")
    for name, how in OPTIONAL.items():
        if find_spec(name) is None:
            typer.echo(f"missing  optional package {name}: {how}")
        else:
            typer.echo(f"ok       optional package {name}")
    return 0 if ready else 3
