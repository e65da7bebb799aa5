"""`unmask doctor`: versions, models found, what is missing and how to get it."""

from __future__ import annotations

import importlib.util

import typer

from unmask.bundle import load_bundle, shipped_folder
from unmask.errors import UnmaskError
from unmask.faces.detector import DETECTORS, create
from unmask.provenance import versions

_OPTIONAL = {
    "cv2": ("the yunet face detector", "pip install 'unmask[yunet]'"),
    "torch": ("training", "pip install 'unmask[train]'"),
}


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
        try:
            create(name)
            typer.echo(f"ok       face detector {name}")
        except UnmaskError as error:
            typer.echo(f"missing  face detector {name}: {error}; {error.hint}")
            ready = ready and name != "mtcnn"
    for module, (use, command) in _OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            typer.echo(f"missing  {module}, for {use} only: {command}")
        else:
            typer.echo(f"ok       {module}, for {use}")
    return 0 if ready else 3
