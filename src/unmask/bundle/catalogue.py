"""Detectors by name: the one in the package, those in the user's folder, and those on the Hub."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from unmask.bundle.hub import fetch, is_hub_id
from unmask.bundle.manifest import MANIFEST, shipped_folder
from unmask.core.errors import InputNotFound, NoUserFolder
from unmask.system.files import user_folder

SHIPPED = "default"
"""Name of the detector that comes with the package."""


def detectors_folder() -> Path:
    """Return the folder where the user's detectors lie, each in a folder of its name."""
    return user_folder() / "detectors"


def list_installed() -> dict[str, Path]:
    """Return the folders of all detectors by name, the shipped one first."""
    own: list[Path] = []
    with suppress(NoUserFolder):  # a user without a home folder has the shipped one
        own = sorted(path.parent for path in detectors_folder().glob(f"*/{MANIFEST}"))
    return {SHIPPED: shipped_folder()} | {path.name: path for path in own if path.name != SHIPPED}


def find(name: str | Path, *, revision: str | None = None) -> Path:
    """Return the folder of a detector: a folder, a name or a Hub id, looked up in this order.

    `default` is always the one in the package; `./default` names a folder.

    Args:
        name: a folder; a name of `list_installed`; or `owner/name` on the Hub, which is fetched:
            only this uses the network.
        revision: branch, tag or commit on the Hub.

    Raises:
        ValueError: a revision is given for what is not on the Hub.
        InputNotFound: there is no such detector.
        DownloadError: the Hub did not give it.
    """
    known = list_installed()
    here: Path | None
    if str(name) == SHIPPED:  # a folder of that name beside the evidence must not become the judge
        here = known[SHIPPED]
    else:
        here = Path(name) if Path(name).is_dir() else known.get(str(name))
    if here is None and is_hub_id(str(name)):
        return fetch(str(name), revision=revision)
    if revision is not None:
        raise ValueError(f"only detectors on the Hub have revisions, {str(name)!r} is not")
    if here is not None:
        return here
    raise InputNotFound(
        f"no detector {str(name)!r}: it is neither a folder nor one of {', '.join(known)}",
        hint="see `unmask detectors list`",
    )
