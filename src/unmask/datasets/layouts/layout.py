"""What a layout adapter is: a data set's folder structure, its facts, and how it is indexed.

An adapter is one small module with one `Layout`. Its `index` looks at names, lists and metadata
files only; it opens no video. What it cannot place is reported as unknown, never guessed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.core.errors import InputNotFound, ManifestError
from unmask.datasets.manifest import Kind, Label, Manifest, ManifestInfo, Split, VideoRecord
from unmask.system.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Expected:
    """How many rows the complete data set has of one kind, from its paper or its lists."""

    count: int
    """Rows, in each compression that is there at all."""
    label: Label | None = None
    """Label counted; None for any."""
    method: str | None = None
    """Method counted; None for any."""
    split: Split | None = None
    """Official split counted; None for any."""
    part: str | None = None
    """Part counted, such as `youtube`; None for any."""

    def matches(self, record: VideoRecord) -> bool:
        """Tell whether a row is one of those counted."""
        return all(
            each is None or each == getattr(record, name)
            for name, each in (
                ("label", self.label),
                ("method", self.method),
                ("split", self.split),
                ("part", self.part),
            )
        )


@dataclass(frozen=True)
class Unknown:
    """A file that the adapter could not place."""

    path: str
    """Path below the data set's folder."""
    reason: str
    """Why, in a few words."""


@dataclass(frozen=True)
class FolderContents:
    """What an adapter found in a folder."""

    records: tuple[VideoRecord, ...]
    """Rows, in any order."""
    unknown: tuple[Unknown, ...] = ()
    """Files that could not be placed."""
    warnings: tuple[str, ...] = ()
    """What the user should know: lists that are missing and where to get them, caveats."""


@dataclass(frozen=True)
class Layout:
    """One data set's structure on disk."""

    name: str
    """Short name for the command line: `ffpp`."""
    title: str
    """Full name with its paper."""
    tree: str
    """Expected folders and file names, as a few indented lines."""
    where: str
    """Where the data set, and lists that do not lie in its folder, come from."""
    licence: str
    """Terms in a few words."""
    kind: Kind
    """What a row is."""
    expected: tuple[Expected, ...]
    """Counts of the complete data set; empty where anything goes."""
    facts: tuple[str, ...]
    """What is easily missed, a sentence each; printed with the layout."""
    index: Callable[[Path], FolderContents]
    """Find the rows below a folder.

    Raises InputNotFound when the folder is absent, and ManifestError when nothing in it fits.
    """
    left_out: tuple[str, ...] = ()
    """Folders below the data set's that are in its download and on purpose are no rows."""


INVENTED_FILE = "unmask-synth.json"
"""File in the folder of an invented data set, which the published numbers do not hold for."""


def make_manifest(
    layout: Layout, root: Path, contents: FolderContents, **settings: Any
) -> Manifest:
    """Make a manifest of what was found; the data set's own lists make the protocol `official`."""
    official = any(record.split for record in contents.records)
    info = ManifestInfo(
        dataset=layout.name,
        root=str(root.absolute()),
        licence=layout.licence,
        protocol="official" if official else None,
        warnings=contents.warnings,
        settings=settings | ({"invented": True} if (root / INVENTED_FILE).is_file() else {}),
    )
    return Manifest(info, tuple(sorted(contents.records, key=lambda record: record.id)))


def require_folder(root: Path) -> None:
    """Refuse a folder that is absent.

    Raises:
        InputNotFound: it is.
    """
    if not root.is_dir():
        raise InputNotFound(
            f"no folder {str(root)!r}", hint="name the folder that the data set was unpacked to"
        )


def files_below(root: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return all files below a folder with one of the suffixes, sorted, hidden ones left out.

    Folders that are symbolic links are entered, each once: large data sets are often linked in.

    Raises:
        InputNotFound: the folder is absent.
    """
    require_folder(root)
    endings = frozenset(suffixes)
    return sorted(path for path in _walk(root) if path.suffix.lower() in endings and path.is_file())


def _walk(root: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def picture_folders(root: Path) -> dict[str, list[str]]:
    """Return the names of the pictures in each folder that has some, by its path below the root.

    Only names are kept: data sets of frames have millions of them.

    Raises:
        InputNotFound: the folder is absent.
    """
    require_folder(root)
    folders: dict[str, list[str]] = {}
    for path in _walk(root):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            folders.setdefault(path.parent.relative_to(root).as_posix(), []).append(path.name)
    return {folder: sorted(folders[folder]) for folder in sorted(folders)}


Placed = VideoRecord | Unknown | None
"""A row, a file that could not be placed, or nothing where a file is known to be neither."""


def place_files(
    layout: str, root: Path, place: Callable[[str], Placed]
) -> tuple[list[VideoRecord], list[Unknown]]:
    """Hand the path below the root of every video to `place`, and sort what it returns.

    Raises:
        InputNotFound: the folder is absent.
        ManifestError: not one file fits.
    """
    paths = [path.relative_to(root).as_posix() for path in files_below(root, VIDEO_SUFFIXES)]
    placed = [place(path) for path in paths]
    return sort_placed(layout, root, placed, f"{len(paths)} videos there")


def sort_placed(
    layout: str, root: Path, placed: Iterable[Placed], seen: str
) -> tuple[list[VideoRecord], list[Unknown]]:
    """Part rows from files that could not be placed; `seen` tells what there was at all.

    Raises:
        ManifestError: there is not one row.
    """
    items = list(placed)
    records = [item for item in items if isinstance(item, VideoRecord)]
    unknown = [item for item in items if isinstance(item, Unknown)]
    if not records:
        first = f"; {unknown[0].path}: {unknown[0].reason}" if unknown else ""
        raise ManifestError(
            f"no file below {str(root)!r} fits the layout {layout!r} ({seen}){first}",
            hint=f"compare the folder with what `unmask data layouts {layout}` shows",
        )
    return records, unknown
