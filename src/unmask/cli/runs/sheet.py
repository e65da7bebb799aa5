"""Running `unmask data sheet`: a contact sheet of crops as a picture."""

from __future__ import annotations

from pathlib import Path

import typer
from PIL import Image

from unmask.cli.inputs import refuse_overwriting
from unmask.crops.sheet import contact_sheet
from unmask.crops.store import CropStore
from unmask.system.files import check_parent_folder, write_whole


def run_sheet(
    store: Path, output: Path, *, count: int, label: str | None, method: str | None
) -> int:
    """Write a contact sheet."""
    if label not in {None, "real", "fake"}:
        raise ValueError(f"--label must be real or fake, got {label!r}")
    check_picture(output, store)
    save_picture(contact_sheet(CropStore(store), count=count, label=label, method=method), output)
    typer.echo(output)
    return 0


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    write_whole(path, lambda partial: picture.save(partial, "PNG"))


def check_picture(path: Path, store: Path) -> None:
    """Refuse a picture that has no folder, or would replace a file of the store."""
    check_parent_folder(path)
    # a picture drawn before may be drawn again
    refuse_overwriting([path], [file for file in store.rglob("*") if file.suffix != ".png"])
