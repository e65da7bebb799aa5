"""Detectors on this machine by name: the one in the package, and those in the user's folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from unmask.bundle import MANIFEST, shipped_folder
from unmask.errors import InputNotFound, NoUserFolder
from unmask.files import user_folder

SHIPPED = "default"
"""Name of the detector that comes with the package."""


def detectors_folder() -> Path:
    """Return the folder where the user's detectors lie, each in a folder of its name."""
    return user_folder() / "detectors"


def installed() -> dict[str, Path]:
    """Return the folders of all detectors by name, the shipped one first."""
    own: list[Path] = []
    with suppress(NoUserFolder):  # a user without a home folder has the shipped one
        own = sorted(path.parent for path in detectors_folder().glob(f"*/{MANIFEST}"))
    return {SHIPPED: shipped_folder()} | {path.name: path for path in own if path.name != SHIPPED}


def find(name: str | Path) -> Path:
    """Return the folder of a detector.

    Args:
        name: a folder, or a name of `installed`.

    Raises:
        InputNotFound: it is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    known = installed()
    if str(name) in known:
        return known[str(name)]
    raise InputNotFound(
        f"no detector {str(name)!r}: it is neither a folder nor one of {', '.join(known)}",
        hint="see `unmask detectors list`",
    )
